import assert from "node:assert/strict";
import { createFs } from "../../src/platform/fs.ts";
import { until } from "../cluster/poll.ts";
import { FakeFs } from "../testing/fake_fs.ts";
import { fsContract } from "../testing/fs_contract.ts";

fsContract("createFs()", async () => {
  const root = await Deno.makeTempDir();
  await Deno.mkdir(`${root}/dir`);
  return {
    fs: createFs(root),
    modeOf: async (path) => ((await Deno.stat(root + path)).mode ?? 0) & 0o777,
    async [Symbol.asyncDispose]() {
      await allClosed(root);
      await Deno.remove(root, { recursive: true });
    },
  };
});

/** Waits until this process has no file below a folder open: a lock that came too late is given back later. */
async function allClosed(folder: string): Promise<void> {
  await until(`the files in ${folder} to be closed`, async () => {
    const numbers = await Array.fromAsync(Deno.readDir("/proc/self/fd"), ({ name }) => name);
    const paths = await Promise.all(
      numbers.map((fd) => Deno.readLink(`/proc/self/fd/${fd}`).catch(() => "")),
    );
    return !paths.some((path) => path.startsWith(`${folder}/`));
  });
}

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
  await allClosed(root);
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

/** Another process that writes a file over and over, each time all of the same letter. */
function startWriter(root: string, letter: string): Deno.ChildProcess {
  const module = JSON.stringify(import.meta.resolve("../../src/platform/fs.ts"));
  const code = `
    import { createFs } from ${module};
    const fs = createFs(${JSON.stringify(root)});
    const text = ${JSON.stringify(letter)}.repeat(100_000);
    for (let i = 0; i < 25; i++) {
      await Promise.all([1, 2, 3, 4].map(() => fs.writeAtomic("/a", text, 0o600)));
    }`;
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", `data:application/typescript,${encodeURIComponent(code)}`],
    env: { NO_COLOR: "1" },
    stdout: "null",
    stderr: "piped",
  }).spawn();
}

Deno.test("createFs() writes a file whole when two processes write it at once", async () => {
  const root = await Deno.makeTempDir();
  const fs = createFs(root);
  await fs.writeAtomic("/a", "x".repeat(100_000), 0o600);
  const writers = ["a", "b"].map((letter) => startWriter(root, letter).output());
  let running = true;
  const ended = Promise.all(writers).finally(() => running = false);
  const seen = new Set<string>();
  while (running) {
    const text = await fs.readText("/a");
    assert.match(text, /^(x+|a+|b+)$/);
    assert.equal(text.length, 100_000);
    seen.add(text.slice(0, 1));
  }
  for (const { code, stderr } of await ended) {
    assert.equal(code, 0, new TextDecoder().decode(stderr));
  }
  assert.ok(seen.size >= 2, [...seen].join());
  assert.deepEqual(await fs.list("/"), ["a"]);
  await Deno.remove(root, { recursive: true });
});

Deno.test("createFs() replaces what a crash left of a write, and no file that is still written", async () => {
  const root = await Deno.makeTempDir();
  const fs = createFs(root);
  const [left, written] = [`${root}/.a.0.tmp`, `${root}/.a.1.tmp`];
  await Deno.writeTextFile(left, "half", { mode: 0o644 });
  await fs.writeAtomic("/a", "1", 0o600);
  assert.deepEqual(await fs.list("/"), ["a"]);
  assert.equal((await Deno.stat(`${root}/a`)).mode! & 0o777, 0o600);
  // Another write holds the first name, and what a crash left has the second.
  const other = await Deno.open(left, { write: true, createNew: true });
  await other.lock(true);
  await Deno.writeTextFile(written, "half");
  await fs.writeAtomic("/a", "2", 0o600);
  assert.deepEqual(await fs.list("/"), [".a.0.tmp", "a"]);
  other.close();
  await fs.writeAtomic("/a", "3", 0o600);
  assert.deepEqual([await fs.list("/"), await fs.readText("/a")], [["a"], "3"]);
  await Deno.remove(root, { recursive: true });
});

Deno.test("createFs() writes through no link that somebody put where its temporary file goes", async () => {
  const root = await Deno.makeTempDir();
  const fs = createFs(root);
  await Deno.writeTextFile(`${root}/secret`, "kept", { mode: 0o600 });
  await Deno.symlink(`${root}/secret`, `${root}/.a.0.tmp`);
  await fs.writeAtomic("/a", "new", 0o644);
  assert.deepEqual([await fs.readText("/secret"), await fs.readText("/a")], ["kept", "new"]);
  assert.equal((await Deno.stat(`${root}/secret`)).mode! & 0o777, 0o600);
  await Deno.remove(root, { recursive: true });
});
