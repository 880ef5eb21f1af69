import assert from "node:assert/strict";
import { greediest, sharesOf } from "./greediest.ts";

Deno.test.each([
  { name: "the only one", shares: { "identity:a": 1 }, want: "identity:a" },
  { name: "who takes most of several", shares: { "bearer:a": 1, "bearer:b": 2 }, want: "bearer:b" },
  {
    name: "a pod rather than the kubelet, as long as pods take half",
    shares: { "identity:kubelet": 5, "serviceaccount:a:b": 3, "serviceaccount:c:d": 2 },
    want: "serviceaccount:a:b",
  },
  {
    name: "the kubelet when it takes more than all others",
    shares: { "identity:kubelet": 6, "serviceaccount:a:b": 5 },
    want: "identity:kubelet",
  },
  { name: "nobody when there is nothing", shares: {}, want: undefined },
])("greediest() is $name", ({ shares, want }) => {
  assert.equal(greediest(new Map(Object.entries(shares))), want);
});

Deno.test("sharesOf() adds up what each caller takes", () => {
  const shares = sharesOf([["a", 1], ["b", 2], ["a", 3]]);
  assert.deepEqual([...shares], [["a", 4], ["b", 2]]);
});
