import assert from "node:assert/strict";
import { isSensitive, redact } from "./redact.ts";

Deno.test.each([
  "token",
  "Authorization",
  "proxy-authorization",
  "clientSecret",
  "db_password",
  "key",
  "privateKey",
  "Set-Cookie",
])("isSensitive() is true for %s", (name) => {
  assert.equal(isSensitive(name), true);
});

Deno.test.each(["tokenFile", "keys", "monkey", "secrets", "keyFile", "resource", ""])(
  "isSensitive() is false for '%s'",
  (name) => {
    assert.equal(isSensitive(name), false);
  },
);

Deno.test("redact() masks sensitive fields at any depth and in maps and headers", () => {
  const token = "c2VjcmV0c2VjcmV0";
  const got = redact({
    user: { token, name: "kubelet" },
    list: [{ password: token }],
    map: new Map([["secret", token]]),
    headers: new Headers({ authorization: `Bearer ${token}`, accept: "*/*" }),
    message: `sent Bearer ${token} to the server`,
    error: new Error(`refused "Authorization: bearer ${token}"`),
  });
  assert.ok(!JSON.stringify(got).includes(token));
  assert.deepEqual(got, {
    user: { token: "***", name: "kubelet" },
    list: [{ password: "***" }],
    map: { secret: "***" },
    headers: { authorization: "***", accept: "*/*" },
    message: "sent Bearer *** to the server",
    error: { name: "Error", message: `refused "Authorization: bearer ***"` },
  });
});

Deno.test("redact() gives JSON data for what JSON can't hold", () => {
  const loop: Record<string, unknown> = { n: 1n, at: new Date(0), body: new Uint8Array(3) };
  loop.self = loop;
  const cause = Object.assign(new Error("no route"), { code: "EHOSTUNREACH" });
  loop.error = new TypeError("fetch failed", { cause });
  assert.deepEqual(redact(loop), {
    n: "1",
    at: "1970-01-01T00:00:00.000Z",
    body: "[3 bytes]",
    self: "[circular]",
    error: {
      name: "TypeError",
      message: "fetch failed",
      cause: { name: "Error", code: "EHOSTUNREACH", message: "no route" },
    },
  });
});

Deno.test("redact() keeps an absent secret visible as absent", () => {
  assert.deepEqual(redact({ token: null, key: undefined }), { token: null, key: undefined });
});

Deno.test("redact() ends on data of any depth", () => {
  let deep: unknown = "end";
  for (let i = 0; i < 100; i++) deep = { deep };
  assert.match(JSON.stringify(redact(deep)), /too deep/);
});
