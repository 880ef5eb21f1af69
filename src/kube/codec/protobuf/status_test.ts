import assert from "node:assert/strict";
import fc from "fast-check";
import { FUZZ_RUNS, mutate, mutations } from "../../../../tests/testing/arbitraries.ts";
import { hex } from "../../../../tests/testing/protobuf.ts";
import { expiredStatus, tooLargeResourceVersion } from "../../status.ts";
import { formatStatus, readStatus } from "./status.ts";

/** A 404 of a real kube-apiserver 1.35.4. */
const NOT_FOUND = hex(
  "6b3873000a0c0a027631120653746174757312590a060a0012001a0012074661696c7572651a1d636f6e6669676d61707320226e6f626f647922206e6f7420666f756e6422084e6f74466f756e642a1a0a066e6f626f647912001a0a636f6e6669676d617073280032003094031a002200",
);

Deno.test("formatStatus() writes the very bytes of a real kube-apiserver", () => {
  const status = {
    code: 404,
    reason: "NotFound" as const,
    message: 'configmaps "nobody" not found',
    details: { name: "nobody", kind: "configmaps" },
  };
  assert.deepEqual(formatStatus(status), Uint8Array.from(NOT_FOUND));
  assert.deepEqual(readStatus(NOT_FOUND), { code: 404, message: status.message });
});

Deno.test.each([expiredStatus("too old"), tooLargeResourceVersion("9", "5")])(
  "readStatus() reads what formatStatus() wrote of a %o",
  (status) => {
    const { code, message } = status;
    assert.deepEqual(readStatus(formatStatus(status)), { code, message });
  },
);

Deno.test("formatStatus() writes the cause by which client-go knows a version from the future", () => {
  const text = new TextDecoder().decode(formatStatus(tooLargeResourceVersion("9", "5")));
  assert.ok(text.includes("ResourceVersionTooLarge\u0012\u001aToo large resource version\u001a\0"));
});

Deno.test("readStatus() reads a Status or throws a SyntaxError whatever the bytes", () => {
  fc.assert(
    fc.property(mutations, (changes) => {
      try {
        readStatus(mutate(NOT_FOUND, changes));
      } catch (error) {
        assert.ok(error instanceof SyntaxError, String(error));
      }
    }),
    { numRuns: FUZZ_RUNS / 2 },
  );
});
