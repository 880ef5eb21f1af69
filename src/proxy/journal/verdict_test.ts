import assert from "node:assert/strict";
import { judge, type Verdict } from "./verdict.ts";

Deno.test.each<{ verb: "create" | "patch"; status: number; want: Verdict }>([
  { verb: "create", status: 201, want: "delivered" },
  { verb: "patch", status: 200, want: "delivered" },
  // The answer to the first try was lost.
  { verb: "create", status: 409, want: "delivered" },
  { verb: "patch", status: 409, want: "refused" },
  { verb: "patch", status: 404, want: "create-again" },
  // The namespace is gone.
  { verb: "create", status: 404, want: "refused" },
  { verb: "create", status: 403, want: "forbidden" },
  { verb: "create", status: 400, want: "refused" },
  { verb: "create", status: 401, want: "refused" },
  { verb: "create", status: 413, want: "refused" },
  { verb: "create", status: 422, want: "refused" },
  { verb: "create", status: 302, want: "refused" },
  { verb: "create", status: 408, want: "later" },
  { verb: "create", status: 429, want: "later" },
  { verb: "patch", status: 500, want: "later" },
  { verb: "patch", status: 503, want: "later" },
])("judge() of a $verb answered $status is $want", ({ verb, status, want }) => {
  assert.equal(judge(verb, status), want);
});
