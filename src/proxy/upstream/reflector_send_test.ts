import assert from "node:assert/strict";
import { reflectorSend } from "./reflector_send.ts";
import { Renewals } from "./renewals.ts";
import { UnreachableError, type UpstreamRequest } from "./upstream.ts";

function setUp(caller: string, status = 200) {
  const renewals = new Renewals();
  const sent: UpstreamRequest[] = [];
  const answered: unknown[] = [];
  const send = reflectorSend(caller, {
    upstream: {
      send(_credential, request) {
        sent.push(request);
        const headers = { "content-type": "application/json" };
        return Promise.resolve(new Response("{}", { status, headers }));
      },
    },
    identities: {
      credentialOf: () => Promise.resolve({ key: "k", version: 1, token: "t" }),
      answered: (...args) => answered.push(args),
    },
    renewals,
  });
  const ask = (purpose: "list" | "watch") =>
    send("/api/v1/pods", { accept: "*/*", purpose, signal: new AbortController().signal });
  return { ask, renewals, sent, answered };
}

Deno.test("reflectorSend() ends a watch when the credential is renewed, and lets a list finish", async () => {
  const { ask, renewals, sent } = setUp("identity:node");
  for (const purpose of ["watch", "list"] as const) await ask(purpose);
  renewals.renew("identity:other");
  assert.deepEqual(sent.map(({ signal }) => signal.aborted), [false, false]);
  renewals.renew("identity:node");
  assert.deepEqual(sent.map(({ signal }) => signal.aborted), [true, false]);
});

Deno.test.each([
  { caller: "identity:node", want: "unreachable" },
  { caller: "serviceaccount:ns:a", want: "unreachable" },
  { caller: "bearer:123", want: 401 },
])("reflectorSend() takes a 401 to $caller for $want", async ({ caller, want }) => {
  const { ask, answered } = setUp(caller, 401);
  const got = await ask("watch").then(({ status }) => status, (error) => {
    assert.ok(error instanceof UnreachableError && error.answered);
    return "unreachable";
  });
  assert.equal(got, want);
  assert.deepEqual(answered, [[caller, { key: "k", version: 1, token: "t" }, 401]]);
});
