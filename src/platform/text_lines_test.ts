import assert from "node:assert/strict";
import { TextLines } from "./text_lines.ts";

Deno.test("TextLines gives the same lines whatever the pieces", () => {
  const bytes = new TextEncoder().encode("ä\n\nbc\nlast");
  for (let size = 1; size <= bytes.length; size++) {
    const lines = new TextLines();
    const seen: string[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      seen.push(...lines.push(bytes.subarray(at, at + size)));
    }
    seen.push(...lines.end());
    assert.deepEqual(seen, ["ä", "", "bc", "last"]);
  }
});
