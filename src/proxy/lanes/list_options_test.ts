import assert from "node:assert/strict";
import { parseReadOptions, type ReadOptions } from "./list_options.ts";

const PLAIN: ReadOptions = {
  resourceVersion: "",
  match: "",
  limit: 0,
  continue: "",
  sendInitialEvents: undefined,
  bookmarks: false,
  timeoutMs: undefined,
};

Deno.test.each(
  [
    { verb: "list", query: "", want: {} },
    { verb: "list", query: "continue=&resourceVersion=&limit=0", want: {} },
    {
      verb: "list",
      query: "resourceVersion=0&limit=500",
      want: { resourceVersion: "0", limit: 500 },
    },
    { verb: "list", query: "limit=-1", want: {} },
    { verb: "list", query: "resourceVersion=007", want: { resourceVersion: "7" } },
    {
      verb: "list",
      query: "resourceVersion=7&resourceVersionMatch=Exact",
      want: { resourceVersion: "7", match: "Exact" },
    },
    {
      verb: "list",
      query: "continue=abc&resourceVersion=0",
      want: { continue: "abc", resourceVersion: "0" },
    },
    {
      verb: "watch",
      query: "resourceVersion=7&timeoutSeconds=300&allowWatchBookmarks=true",
      want: { resourceVersion: "7", timeoutMs: 300_000, bookmarks: true },
    },
    { verb: "watch", query: "timeoutSeconds=0", want: {} },
    { verb: "watch", query: "timeoutSeconds=-5", want: { timeoutMs: -5_000 } },
    {
      verb: "watch",
      query: "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=",
      want: { sendInitialEvents: true, match: "NotOlderThan" },
    },
    {
      verb: "watch",
      query: "sendInitialEvents=0&resourceVersionMatch=NotOlderThan",
      want: { sendInitialEvents: false, match: "NotOlderThan" },
    },
    // A parameter without a value is true, as every bool of the API.
    {
      verb: "watch",
      query: "sendInitialEvents=&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=",
      want: { sendInitialEvents: true, match: "NotOlderThan", bookmarks: true },
    },
  ] as const,
)("parseReadOptions() of a $verb reads '$query'", ({ verb, query, want }) => {
  assert.deepEqual(parseReadOptions(verb, new URLSearchParams(query)), {
    options: { ...PLAIN, ...want },
  });
});

const FORBIDDEN = "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden";

// Word for word what kube-apiserver 1.35.4 said.
Deno.test.each(
  [
    {
      verb: "list",
      query: "limit=abc",
      code: 400,
      want: 'strconv.ParseInt: parsing "abc": invalid syntax',
    },
    {
      verb: "list",
      query: "limit=",
      code: 400,
      want: 'strconv.ParseInt: parsing "": invalid syntax',
    },
    {
      verb: "list",
      query: "resourceVersion=abc",
      code: 400,
      want:
        'invalid resource version: resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax',
    },
    {
      verb: "watch",
      query: "resourceVersion=-1",
      code: 500,
      want: 'resourceVersion: Invalid value: "-1": strconv.ParseUint: parsing "-1": invalid syntax',
    },
    {
      verb: "list",
      query: "resourceVersionMatch=NotOlderThan",
      code: 422,
      want:
        `ListOptions.meta.k8s.io "" is invalid: ${FORBIDDEN} unless resourceVersion is provided`,
    },
    {
      verb: "list",
      query: "resourceVersionMatch=garbage",
      code: 422,
      want:
        `ListOptions.meta.k8s.io "" is invalid: [${FORBIDDEN} unless resourceVersion is provided, resourceVersionMatch: Unsupported value: "garbage": supported values: "Exact", "NotOlderThan", ""]`,
    },
    {
      verb: "list",
      query: "resourceVersion=0&resourceVersionMatch=Exact",
      code: 422,
      want:
        'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
    },
    {
      verb: "list",
      query: "sendInitialEvents=false",
      code: 422,
      want:
        'ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list',
    },
    {
      verb: "list",
      query: "continue=x&resourceVersion=7",
      code: 400,
      want: "specifying resource version is not allowed when using continue",
    },
    {
      verb: "watch",
      query: "sendInitialEvents=true",
      code: 422,
      want:
        'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
    },
    {
      verb: "watch",
      query: "resourceVersion=1&resourceVersionMatch=NotOlderThan",
      code: 422,
      want:
        `ListOptions.meta.k8s.io "" is invalid: ${FORBIDDEN} for watch unless sendInitialEvents is provided`,
    },
    {
      verb: "watch",
      query: "continue=x",
      code: 422,
      want: `ListOptions.meta.k8s.io "" is invalid: ${FORBIDDEN} when continue is provided`,
    },
  ] as const,
)("parseReadOptions() of a $verb refuses '$query'", ({ verb, query, code, want }) => {
  const parsed = parseReadOptions(verb, new URLSearchParams(query));
  assert.ok("refusal" in parsed);
  assert.deepEqual([parsed.refusal.code, parsed.refusal.message], [code, want]);
});
