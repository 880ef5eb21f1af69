import assert from "node:assert/strict";
import fc from "fast-check";
import { type DiskOp, FakeFs, type Fault } from "../../tests/testing/fake_fs.ts";

const PATH = "/state/network.json";
const OPS: DiskOp[] = ["create", "write", "sync", "rename", "syncDir", "remove"];

const faultKind: fc.Arbitrary<Fault> = fc.oneof(
  fc.constant("crash" as const),
  fc.record({
    code: fc.constantFrom("EIO" as const, "ENOSPC" as const, "EROFS" as const),
    tornAt: fc.option(fc.nat(6), { nil: undefined }),
  }),
);
const outcome = fc.record({
  entries: fc.constantFrom("kept" as const, "lost" as const),
  bytes: fc.nat(6),
});

Deno.test("writeAtomic() leaves the old or the new content whatever fails and wherever power ends", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(fc.constantFrom(...OPS), faultKind),
      outcome,
      async (faults, crash) => {
        const fs = new FakeFs({ [PATH]: "old" });
        fs.fault = (op) => faults[op];
        const failed = await fs.writeAtomic(PATH, "newer", 0o600).then(() => false, () => true);
        fs.fault = () => undefined;
        fs.restart(crash);
        const got = await fs.readText(PATH);
        assert.ok(got === "newer" || failed && got === "old", `${got}, failed: ${failed}`);
      },
    ),
  );
});

Deno.test("writeAtomic() leaves nothing or all of a new file whatever fails", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(fc.constantFrom(...OPS), faultKind),
      outcome,
      async (faults, crash) => {
        const fs = new FakeFs({ "/state/other": "" });
        fs.fault = (op) => faults[op];
        const failed = await fs.writeAtomic(PATH, "newer", 0o600).then(() => false, () => true);
        fs.fault = () => undefined;
        fs.restart(crash);
        const got = await fs.exists(PATH) ? await fs.readText(PATH) : undefined;
        assert.ok(got === "newer" || failed && got === undefined, `${got}, failed: ${failed}`);
      },
    ),
  );
});

Deno.test.each(["create", "write", "sync", "rename"] as const)(
  "writeAtomic() removes its temporary file and rethrows when %s fails",
  async (failing) => {
    const fs = new FakeFs({ [PATH]: "old" });
    fs.fault = (op) => op === failing ? { code: "ENOSPC" } : undefined;
    await assert.rejects(fs.writeAtomic(PATH, "newer", 0o600), { code: "ENOSPC" });
    assert.deepEqual(await fs.list("/state"), ["network.json"]);
    assert.equal(await fs.readText(PATH), "old");
  },
);

Deno.test("writeAtomic() overwrites what a crash left of an earlier write", async () => {
  const fs = new FakeFs({ [PATH]: "old" });
  fs.fault = (op) => op === "rename" ? "crash" : undefined;
  await assert.rejects(fs.writeAtomic(PATH, "newer", 0o600));
  fs.fault = () => undefined;
  fs.restart({ entries: "kept", bytes: 2 });
  assert.equal((await fs.list("/state")).length, 2);
  await fs.writeAtomic(PATH, "newest", 0o600);
  assert.deepEqual(await fs.list("/state"), ["network.json"]);
  assert.equal(await fs.readText(PATH), "newest");
});

Deno.test("writeAtomic() gives each running write a temporary file of its own and reuses free names", async () => {
  const fs = new FakeFs({ [PATH]: "old" });
  const created = () => fs.calls.filter((call) => call.startsWith("create "));
  await Promise.all([fs.writeAtomic(PATH, "a", 0o600), fs.writeAtomic(PATH, "b", 0o600)]);
  const [first, second] = ["/state/.network.json.0.tmp", "/state/.network.json.1.tmp"];
  assert.deepEqual(created(), [first, first, second].map((path) => `create ${path}`));
  await fs.writeAtomic(PATH, "c", 0o600);
  assert.equal(created().at(-1), `create ${first}`);
  assert.deepEqual(await fs.list("/state"), ["network.json"]);
});
