import assert from "node:assert/strict";
import { withBearerInHeader, withoutWebsocketBearer } from "./websocket_bearer.ts";

const PREFIX = "base64url.bearer.authorization.k8s.io.";

/** `token` as browsers' clients send it. */
const protocol = (token: string) =>
  PREFIX + btoa(token).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

const headers = (protocols: string, more: Record<string, string> = {}) =>
  new Headers({ "sec-websocket-protocol": protocols, ...more });

Deno.test("withBearerInHeader() puts the token where all others have it", () => {
  for (const token of ["secret", "a.b-c_d~e+f/g=", "??>>"]) {
    const given = headers(`v5.channel.k8s.io, ${protocol(token)}`);
    const found = withBearerInHeader(given);
    assert.equal(found.get("authorization"), `Bearer ${token}`);
    assert.equal(given.get("authorization"), null);
  }
});

Deno.test.each([
  { name: "no protocol", given: new Headers() },
  { name: "no token among the protocols", given: headers("v5.channel.k8s.io") },
  { name: "what is not base64url", given: headers(`${PREFIX}*`) },
  { name: "an empty token", given: headers(PREFIX) },
  { name: "a token that would break a header", given: headers(protocol("a\r\nb: c")) },
])("withBearerInHeader() finds no token in $name", ({ given }) => {
  assert.equal(withBearerInHeader(given), given);
});

Deno.test("withBearerInHeader() lets Authorization stand", () => {
  const given = headers(protocol("secret"), { authorization: "Bearer other" });
  assert.equal(withBearerInHeader(given).get("authorization"), "Bearer other");
});

Deno.test("withoutWebsocketBearer() leaves the other protocols in their order", () => {
  const given = headers(`v5.channel.k8s.io, ${protocol("secret")},v4.channel.k8s.io`);
  assert.equal(withoutWebsocketBearer(given), "v5.channel.k8s.io, v4.channel.k8s.io");
  assert.equal(withoutWebsocketBearer(headers(protocol("secret"))), "");
});
