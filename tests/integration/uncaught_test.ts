import assert from "node:assert/strict";
import { catchUncaught } from "../../src/platform/uncaught.ts";

Deno.test("catchUncaught() reports what nobody caught, and the process lives on", async () => {
  const seen: unknown[] = [];
  const both = Promise.withResolvers<void>();
  using _caught = catchUncaught((error) => {
    seen.push((error as Error).message);
    if (seen.length === 2) both.resolve();
  });
  Promise.reject(new Error("forgotten promise"));
  setTimeout(() => {
    throw new Error("callback");
  });
  await both.promise;
  assert.deepEqual(seen, ["forgotten promise", "callback"]);
});
