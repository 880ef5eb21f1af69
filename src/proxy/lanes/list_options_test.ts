import assert from "node:assert/strict";
import { areValidOptions } from "./list_options.ts";

Deno.test.each(
  [
    { verb: "list", query: "", want: true },
    { verb: "list", query: "resourceVersion=0&limit=500", want: true },
    { verb: "list", query: "resourceVersion=7&resourceVersionMatch=Exact", want: true },
    { verb: "list", query: "resourceVersion=0&resourceVersionMatch=NotOlderThan", want: true },
    { verb: "list", query: "resourceVersion=0&resourceVersionMatch=Exact", want: false },
    { verb: "list", query: "resourceVersionMatch=NotOlderThan", want: false },
    { verb: "list", query: "resourceVersion=7&resourceVersionMatch=Newer", want: false },
    { verb: "list", query: "resourceVersion=abc", want: false },
    { verb: "list", query: "resourceVersion=0&limit=many", want: false },
    { verb: "list", query: "sendInitialEvents=true", want: false },
    { verb: "watch", query: "resourceVersion=7&timeoutSeconds=300", want: true },
    {
      verb: "watch",
      query: "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=",
      want: true,
    },
    { verb: "watch", query: "sendInitialEvents=true", want: false },
    { verb: "watch", query: "resourceVersion=7&resourceVersionMatch=NotOlderThan", want: false },
    { verb: "watch", query: "resourceVersion=abc", want: false },
    { verb: "watch", query: "timeoutSeconds=soon", want: false },
  ] as const,
)("areValidOptions() of a $verb with $query is $want", ({ verb, query, want }) => {
  assert.equal(areValidOptions(verb, new URLSearchParams(query)), want);
});
