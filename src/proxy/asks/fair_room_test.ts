import assert from "node:assert/strict";
import { victimOf } from "./fair_room.ts";

Deno.test.each([
  { name: "the oldest of the only one", of: ["identity:a", "identity:a"], want: 0 },
  { name: "the oldest of who takes most", of: ["bearer:a", "bearer:b", "bearer:b"], want: 1 },
  {
    name: "a pod's as long as pods take half",
    of: ["identity:kubelet", "identity:proxy", "serviceaccount:a:b", "serviceaccount:c:d"],
    want: 2,
  },
  {
    name: "the node's oldest when it takes more than all others",
    of: ["serviceaccount:a:b", "identity:kubelet", "identity:proxy"],
    want: 1,
  },
  { name: "undefined when there is nothing", of: [], want: undefined },
])("victimOf() is $name", ({ of, want }) => {
  const entries = of.map((caller, entry) => ({ entry, caller, amount: 1 }));
  assert.equal(victimOf(entries), want);
});

Deno.test("victimOf() counts the room that entries take", () => {
  const caller = (name: string, amount: number) => ({ entry: name, caller: name, amount });
  assert.equal(victimOf([caller("a", 1), caller("a", 1), caller("b", 3)]), "b");
});
