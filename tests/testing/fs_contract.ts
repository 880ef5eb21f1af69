import assert from "node:assert/strict";
import { type Fs, isNotFound } from "../../src/platform/fs.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** An {@linkcode Fs} and what its port doesn't tell. */
export interface FsUnderTest extends AsyncDisposable {
  fs: Fs;
  modeOf(path: string): number | Promise<number>;
}

/** What every {@linkcode Fs} does; `open` gives one with an empty directory `/dir`. */
export function fsContract(
  name: string,
  open: () => Promise<FsUnderTest>,
): void {
  const test = (title: string, body: (subject: FsUnderTest) => Promise<void>) =>
    Deno.test(`${name} ${title}`, async () => {
      await using subject = await open();
      await body(subject);
    });

  test("reads back what was written, as text and as bytes", async ({ fs }) => {
    await fs.writeAtomic("/dir/a", "zwölf", 0o600);
    assert.equal(await fs.readText("/dir/a"), "zwölf");
    await fs.writeAtomic("/dir/a", bytes("x"), 0o600);
    assert.deepEqual(await fs.readBytes("/dir/a"), bytes("x"));
    assert.deepEqual(await fs.list("/dir"), ["a"]);
  });

  test("gives files and directories the mode that was asked for", async ({ fs, modeOf }) => {
    await fs.writeAtomic("/dir/a", "", 0o666);
    assert.equal(await modeOf("/dir/a"), 0o666);
    await fs.writeAtomic("/dir/a", "", 0o600);
    assert.equal(await modeOf("/dir/a"), 0o600);
    await fs.chmod("/dir/a", 0o640);
    assert.equal(await modeOf("/dir/a"), 0o640);
    await fs.mkdir("/dir/b", 0o777);
    await fs.mkdir("/dir/b", 0o700);
    assert.equal(await modeOf("/dir/b"), 0o700);
  });

  test("makes missing parent directories", async ({ fs }) => {
    await fs.mkdir("/dir/b/c", 0o700);
    await fs.writeAtomic("/dir/b/c/d", "", 0o600);
    assert.deepEqual(await fs.list("/dir/b"), ["c"]);
  });

  test("shows a new inode after each write", async ({ fs }) => {
    await fs.writeAtomic("/dir/a", "old", 0o600);
    const before = await fs.stat("/dir/a");
    await fs.writeAtomic("/dir/a", "newer", 0o600);
    const after = await fs.stat("/dir/a");
    assert.notEqual(after?.inode, before?.inode);
    assert.equal(after?.size, 5);
  });

  test("keeps one whole content when two writes race", async ({ fs }) => {
    await Promise.all(["11", "2222"].map((text) => fs.writeAtomic("/dir/a", text, 0o600)));
    assert.match(await fs.readText("/dir/a"), /^(11|2222)$/);
    assert.deepEqual(await fs.list("/dir"), ["a"]);
  });

  test("renames files and directories", async ({ fs }) => {
    await fs.mkdir("/dir/b", 0o700);
    await fs.writeAtomic("/dir/b/x", "x", 0o600);
    await fs.rename("/dir/b", "/dir/c");
    assert.equal(await fs.readText("/dir/c/x"), "x");
    assert.equal(await fs.exists("/dir/b"), false);
  });

  test("gives a file a second name, in place of another, and again", async ({ fs }) => {
    await fs.writeAtomic("/dir/a", "new", 0o600);
    await fs.writeAtomic("/dir/b", "old", 0o600);
    for (let i = 0; i < 2; i++) {
      await fs.link("/dir/a", "/dir/b");
      assert.equal(await fs.readText("/dir/b"), "new");
      assert.deepEqual(await fs.list("/dir"), ["a", "b"]);
    }
    await fs.writeAtomic("/dir/a", "newer", 0o600);
    assert.equal(await fs.readText("/dir/b"), "new");
  });

  test("removes files, empty directories, and nothing twice", async ({ fs }) => {
    await fs.mkdir("/dir/b", 0o700);
    await fs.writeAtomic("/dir/b/x", "x", 0o600);
    await assert.rejects(fs.remove("/dir/b"), { code: "ENOTEMPTY" });
    await fs.remove("/dir/b/x");
    await fs.remove("/dir/b");
    await fs.remove("/dir/b");
    assert.deepEqual(await fs.list("/dir"), []);
  });

  test("creates a file exclusively once", async ({ fs, modeOf }) => {
    assert.equal(await fs.createExclusive("/dir/a", "first", 0o600), true);
    assert.equal(await fs.createExclusive("/dir/a", "second", 0o644), false);
    assert.equal(await fs.readText("/dir/a"), "first");
    assert.equal(await modeOf("/dir/a"), 0o600);
  });

  test("gives a lock to one at a time", async ({ fs }) => {
    let holders = 0;
    let most = 0;
    await Promise.all(Array.from({ length: 5 }, async () => {
      using lock = await fs.lock("/dir/lock", 10_000);
      assert.ok(lock);
      most = Math.max(most, ++holders);
      await fs.list("/dir");
      holders--;
    }));
    assert.equal(most, 1);
  });

  test("gives up on a lock in time, and does not keep what comes too late", async ({ fs }) => {
    const first = await fs.lock("/dir/lock", 1_000);
    assert.equal(await fs.lock("/dir/lock", 5), undefined);
    first![Symbol.dispose]();
    using third = await fs.lock("/dir/lock", 1_000);
    assert.ok(third);
  });

  test("says nothing of a file that is not there", async ({ fs }) => {
    assert.equal(await fs.exists("/dir/no"), false);
    assert.equal(await fs.stat("/dir/no"), undefined);
  });

  for (
    const [call, run] of Object.entries<(fs: Fs) => Promise<unknown>>({
      readText: (fs) => fs.readText("/dir/no"),
      readBytes: (fs) => fs.readBytes("/dir/no"),
      list: (fs) => fs.list("/dir/no"),
      rename: (fs) => fs.rename("/dir/no", "/dir/yes"),
      link: (fs) => fs.link("/dir/no", "/dir/yes"),
      chmod: (fs) => fs.chmod("/dir/no", 0o600),
      writeAtomic: (fs) => fs.writeAtomic("/dir/no/file", "", 0o600),
      createExclusive: (fs) => fs.createExclusive("/dir/no/file", "", 0o600),
      lock: (fs) => fs.lock("/dir/no/file", 1),
    })
  ) {
    test(`names the path when ${call} finds nothing`, async ({ fs }) => {
      await assert.rejects(
        run(fs),
        (error) => isNotFound(error) && /\/dir\/no/.test(String(error)),
      );
    });
  }

  test("refuses a path that is not absolute", async ({ fs }) => {
    await assert.rejects(fs.readText("dir/a"), /not absolute/);
  });
}
