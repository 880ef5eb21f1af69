import assert from "node:assert/strict";
import { Renewals } from "./renewals.ts";
import { UnreachableError } from "./upstream.ts";

Deno.test("renew() breaks off what goes on for that caller, and nobody else", () => {
  const renewals = new Renewals();
  const [node, again, other] = [
    renewals.signal("identity:node"),
    renewals.signal("identity:node"),
    renewals.signal("identity:other"),
  ];
  renewals.renew("identity:node");
  assert.deepEqual([node, again, other].map((signal) => signal.aborted), [true, true, false]);
  assert.ok(node.reason instanceof UnreachableError && !node.reason.answered);
  assert.equal(renewals.signal("identity:node").aborted, false, "what begins now is not concerned");
});

Deno.test("renewAll() breaks off what goes on for everybody", () => {
  const renewals = new Renewals();
  const signals = ["identity:node", "serviceaccount:ns:a", "bearer:1", "bearer:2"]
    .map((caller) => renewals.signal(caller));
  renewals.renewAll();
  assert.ok(signals.every((signal) => signal.aborted));
});

Deno.test("renew() of somebody for whom nothing goes on is nothing", () => {
  new Renewals().renew("identity:node");
});
