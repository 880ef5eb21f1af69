import assert from "node:assert/strict";
import { createFs } from "../../src/platform/fs.ts";
import { FakeFs } from "../testing/fake_fs.ts";
import { fsContract } from "../testing/fs_contract.ts";

fsContract("createFs()", async () => {
  const root = await Deno.makeTempDir();
  await Deno.mkdir(`${root}/dir`);
  return {
    fs: createFs(root),
    modeOf: async (path) => ((await Deno.stat(root + path)).mode ?? 0) & 0o777,
    [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }),
  };
});

fsContract("FakeFs", async () => {
  const fs = new FakeFs();
  await fs.mkdir("/dir", 0o755);
  return {
    fs,
    modeOf: (path) => fs.modeOf(path),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
});

Deno.test("createFs() waits for the lock that others find, when the file was removed and made again", async () => {
  const root = await Deno.makeTempDir();
  const fs = createFs(root);
  const first = await fs.lock("/lock", 1_000);
  const waiting = fs.lock("/lock", 5_000);
  await Deno.remove(`${root}/lock`);
  const second = await fs.lock("/lock", 1_000);
  first?.[Symbol.dispose]();
  const early = await Promise.race([waiting.then(() => true), fs.lock("/lock", 50)]);
  assert.equal(early, undefined);
  second?.[Symbol.dispose]();
  (await waiting)?.[Symbol.dispose]();
  await Deno.remove(root, { recursive: true });
});

Deno.test({
  name: "createFs() names the path, not the runtime's flags, when a build may not use it",
  permissions: { read: false },
  fn: async () => {
    await assert.rejects(createFs().readText("/etc/hostname"), (error) => {
      assert.match(String(error), /not compiled to use '\/etc\/hostname'/);
      assert.doesNotMatch(String(error), /allow-read/);
      return true;
    });
  },
});
