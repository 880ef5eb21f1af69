import assert from "node:assert/strict";
import type { Caller } from "../identity/identity.ts";
import { isUpgrade, upgradeHeaders } from "./upgrade_headers.ts";

const IDENTITY: Caller = { kind: "identity", name: "node", key: "identity:node" };
const BEARER: Caller = { kind: "bearer", token: "theirs", key: "bearer:h" };
const ANONYMOUS: Caller = { kind: "anonymous", key: "anonymous" };
const TOKEN = "base64url.bearer.authorization.k8s.io.dGhlaXJz";

/** What the cloud is sent, by lower-case name. */
function sent(
  headers: Record<string, string>,
  { caller = IDENTITY as Caller, token, body }: {
    caller?: Caller;
    token?: string;
    body?: Uint8Array;
  } = {},
): Record<string, string> {
  const all = { connection: "Upgrade", upgrade: "websocket", ...headers };
  const lines = upgradeHeaders({ headers: new Headers(all), caller }, {
    host: "cloud",
    token,
    body,
  });
  return Object.fromEntries(lines.map(([name, value]) => [name.toLowerCase(), value]));
}

const BASE = { host: "cloud", connection: "Upgrade", upgrade: "websocket" };

Deno.test("upgradeHeaders() passes on what the protocol needs, and who is impersonated", () => {
  const own = {
    "sec-websocket-key": "k",
    "sec-websocket-protocol": "v5.channel.k8s.io",
    "x-stream-protocol-version": "v4.channel.k8s.io",
    "impersonate-user": "jane",
    "user-agent": "kubectl",
  };
  assert.deepEqual(sent(own), { ...BASE, ...own });
});

Deno.test.each([
  ["host", "127.0.0.1:51003"],
  ["authorization", "Bearer local"],
  ["x-remote-user", "admin"],
  ["x-remote-extra-scopes", "all"],
  ["transfer-encoding", "chunked"],
  ["content-length", "7"],
  ["accept-encoding", "gzip"],
  ["keep-alive", "timeout=5"],
  ["te", "trailers"],
])("upgradeHeaders() drops %s", (name, value) => {
  assert.deepEqual(sent({ [name]: value }), BASE);
});

Deno.test("upgradeHeaders() drops what Connection names", () => {
  const headers = { connection: "keep-alive, Upgrade, X-Hop", "x-hop": "1", "x-end": "2" };
  assert.deepEqual(sent(headers), { ...BASE, "x-end": "2" });
});

Deno.test("upgradeHeaders() shows the cloud the caller's own credential, and a body's length", () => {
  assert.deepEqual(
    sent({ authorization: "Bearer local" }, { token: "cloud", body: new Uint8Array(3) }),
    { ...BASE, authorization: "Bearer cloud", "content-length": "3" },
  );
  assert.deepEqual(
    sent({ authorization: "Bearer theirs" }, { caller: BEARER, token: "theirs" }),
    { ...BASE, authorization: "Bearer theirs" },
  );
});

Deno.test("upgradeHeaders() passes a bearer's token on in the way that it came", () => {
  const headers = { "sec-websocket-protocol": `${TOKEN}, v4.channel.k8s.io` };
  assert.deepEqual(sent(headers, { caller: BEARER, token: "theirs" }), { ...BASE, ...headers });
});

Deno.test.each([
  { name: "a local one", caller: IDENTITY, token: "cloud" },
  { name: "one that is not let through", caller: ANONYMOUS, token: undefined },
])("upgradeHeaders() keeps a token among the protocols from the cloud: $name", (options) => {
  const headers = { "sec-websocket-protocol": `${TOKEN}, v4.channel.k8s.io` };
  const { token } = options;
  assert.deepEqual(sent(headers, options), {
    ...BASE,
    "sec-websocket-protocol": "v4.channel.k8s.io",
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  });
  assert.equal(
    sent({ "sec-websocket-protocol": TOKEN }, options)["sec-websocket-protocol"],
    undefined,
  );
});

Deno.test.each([
  { connection: "Upgrade", upgrade: "websocket", want: true },
  { connection: "keep-alive, upgrade", upgrade: "SPDY/3.1", want: true },
  { connection: "upgrade", upgrade: "h2c, websocket", want: true },
  { connection: "Upgrade, HTTP2-Settings", upgrade: "h2c", want: false },
  { connection: "keep-alive", upgrade: "websocket", want: false },
  { connection: "upgrade", upgrade: "", want: false },
])("isUpgrade() of Connection: $connection, Upgrade: $upgrade is $want", (row) => {
  const { connection, upgrade, want } = row;
  assert.equal(isUpgrade(new Headers({ connection, upgrade })), want);
});
