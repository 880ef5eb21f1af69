// deno-lint-ignore-file no-sync-fn-in-async-fn -- files are spoilt at one moment
import assert from "node:assert/strict";
import fc from "fast-check";
import { itemChecksum } from "../../src/proxy/store/checksum.ts";
import { DamagedError } from "../../src/proxy/store/rows.ts";
import type { StateStore } from "../../src/proxy/store/state_store.ts";
import { until } from "../cluster/poll.ts";
import { utf8 } from "../testing/arbitraries.ts";
import { canMount, SmallDisk } from "../testing/small_disk.ts";
import { countItems, FLUSH_MS, StateFile } from "../testing/state_file.ts";
import { keptAnswer, readAll, scopeRow, storedObject } from "../testing/state_store_contract.ts";
import { BATCHES, contentAt, objectAt, SCOPES } from "../testing/state_writes.ts";

/** Time between tries to open a file. */
const REOPEN_MS = 60_000;
const SIZE = 120;

/** A scope of several slices, a sealed one, and kept answers. */
async function fill(file: StateFile, rv = "10"): Promise<void> {
  await using store = await file.open();
  for (const scope of [1, 2]) {
    for (let i = 0; i < SIZE; i++) store.put(scope, storedObject(`k${i}`, rv));
    store.saveScope(scopeRow(scope, rv));
  }
  store.seal(2);
  store.keep("discovery\n/api", keptAnswer("public"));
  store.keep("object\nme\nv1/pods\na", keptAnswer("private"));
}

/** Reads everything; what is damaged is told, and never anything else than what was written. */
function readsRight(store: StateStore, versions: readonly string[]): number {
  let damaged = 0;
  const rows = new Map(store.scopes().map((row) => [row.id, row]));
  for (const scope of [1, 2]) {
    const row = rows.get(scope);
    if (row === undefined) continue;
    assert.deepEqual(row, scopeRow(scope, row.rv));
    assert.ok(versions.includes(row.rv), row.rv);
    try {
      const objects = readAll(store, scope);
      assert.equal(objects.length, SIZE, "a short list");
      for (const { key, uid, resourceVersion, body } of objects) {
        assert.deepEqual({ key, uid, resourceVersion, body: Uint8Array.from(body) }, {
          ...storedObject(key, row.rv),
        });
      }
      assert.equal(store.versions(scope).size, SIZE);
    } catch (error) {
      if (!isDamage(error)) throw error;
      damaged++;
    }
  }
  for (
    const [key, text] of [["discovery\n/api", "public"], ["object\nme\nv1/pods\na", "private"]]
  ) {
    const answer = store.kept(key!);
    if (answer === undefined) damaged++;
    else assert.deepEqual({ ...answer, body: Uint8Array.from(answer.body) }, keptAnswer(text!));
  }
  return damaged;
}

/** Told by us, or by SQLite (SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_IOERR). */
function isDamage(error: unknown): boolean {
  return error instanceof DamagedError ||
    /malformed|not a database|disk I\/O/.test(error instanceof Error ? error.message : "");
}

const flip = fc.record({
  at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  bit: fc.nat(7),
});

Deno.test("S10 with flipped bits in state.db every read is right or told to be damaged", async () => {
  await using original = new StateFile();
  await fill(original);
  const whole = Deno.readFileSync(original.path);
  let found = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(flip, { minLength: 1, maxLength: 3 }), async (flips) => {
      await using file = new StateFile();
      const bytes = whole.slice();
      for (const { at, bit } of flips) bytes[Math.floor(at * bytes.length)]! ^= 1 << bit;
      Deno.writeFileSync(file.path, bytes);
      await using store = await file.open();
      found += readsRight(store, ["10"]) + file.events.length;
      // And it works on, whatever was found.
      store.put(9, storedObject("new"));
      assert.equal(readAll(store, 9).length, 1);
    }),
    { numRuns: 60 },
  );
  assert.ok(found > 0, "no flip hit anything");
});

/** A copy while the writer is at work: the first state is in the database, the second in the log alone. */
async function twoStates(): Promise<{ database: Uint8Array; log: Uint8Array }> {
  await using file = new StateFile();
  await fill(file);
  await using store = await file.open();
  for (const scope of [1, 2]) {
    for (let i = 0; i < SIZE; i++) store.put(scope, storedObject(`k${i}`, 11));
    store.saveScope(scopeRow(scope, "11"));
  }
  await file.clock.advance(FLUSH_MS);
  await file.until((db) => db.prepare("SELECT 1 FROM scopes WHERE rv = '11'").get() !== undefined);
  return {
    database: Deno.readFileSync(file.path),
    log: Deno.readFileSync(`${file.path}-wal`),
  };
}

/** Opens a file of these bytes, and reads it. @returns what was found damaged or set aside */
async function readsRightFrom(database: Uint8Array, log: Uint8Array): Promise<number> {
  await using file = new StateFile();
  Deno.writeFileSync(file.path, database);
  Deno.writeFileSync(`${file.path}-wal`, log);
  await using store = await file.open();
  const damaged = readsRight(store, ["10", "11"]);
  const versions = new Set(store.scopes().map(({ rv }) => rv));
  assert.ok(versions.size <= 1, "both scopes were written by one transaction");
  return damaged + file.events.length;
}

const PAGE = 4_096;

Deno.test("S10 cut off at any page, the log is old or new, and what is left of state.db is right", async () => {
  const { database, log } = await twoStates();
  assert.equal(await readsRightFrom(database, log), 0);
  // A log is written from its beginning: one that breaks off is no damage.
  for (let end = 0; end < log.length; end += PAGE) {
    assert.equal(await readsRightFrom(database, log.subarray(0, end)), 0, `log of ${end} bytes`);
  }
  for (let end = 0; end < database.length; end += PAGE) {
    await readsRightFrom(database.subarray(0, end), new Uint8Array());
    await readsRightFrom(database.subarray(0, end), log);
  }
});

Deno.test("S10 with flipped bits in the log the state is old or new, and whole", async () => {
  const { database, log } = await twoStates();
  assert.ok(log.length > 0);
  await fc.assert(
    fc.asyncProperty(fc.array(flip, { minLength: 1, maxLength: 3 }), async (flips) => {
      const bytes = log.slice();
      for (const { at, bit } of flips) bytes[Math.floor(at * bytes.length)]! ^= 1 << bit;
      await readsRightFrom(database, bytes);
    }),
    { numRuns: 40 },
  );
});

Deno.test("S10 a byte that changes under a running agent never makes a list short", async () => {
  await using file = new StateFile();
  await fill(file);
  await using store = await file.open();
  assert.equal(readsRight(store, ["10"]), 0);
  // Straight through SQLite, with checksums of rows that fit: only the list as a whole can tell.
  file.look((db) => db.exec("DELETE FROM items WHERE scope = 1 AND key = 'k7'"));
  assert.throws(() => readAll(store, 1), DamagedError);
  assert.throws(() => store.versions(1), DamagedError);
  assert.equal(readAll(store, 2).length, SIZE);
  // The list that is fetched then counts anew.
  store.saveScope(scopeRow(1, "", { complete: false }));
  store.put(1, storedObject("k7", 10));
  store.saveScope(scopeRow(1, "10"));
  await file.clock.advance(FLUSH_MS);
  store.saveScope(scopeRow(1, "10", { complete: false }));
  await file.clock.advance(FLUSH_MS);
  await file.until((db) =>
    db.prepare("SELECT 1 FROM scopes WHERE complete = 0").get() !== undefined
  );
  store.saveScope(scopeRow(1, "10"));
  await file.clock.advance(FLUSH_MS);
  await file.until((db) =>
    db.prepare("SELECT 1 FROM scopes WHERE complete = 0").get() === undefined
  );
  assert.equal(readAll(store, 1).length, SIZE);
});

/**
 * Writes in a process of its own until it has told of so many batches, and kills it in the middle of what
 * it does then.
 *
 * @returns the newest version that it told to be on disk
 */
async function writeUntilKilled(path: string, from: number, batches: number): Promise<number> {
  const child = new URL("../testing/state_writes.ts", import.meta.url).pathname;
  await using process = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", child, path, String(from)],
    stdout: "piped",
  }).spawn();
  let told = "";
  const decoder = new TextDecoder();
  for await (const chunk of process.stdout) {
    told += decoder.decode(chunk);
    if (told.split("\n").length <= batches + 1) continue;
    try {
      process.kill("SIGKILL");
    } catch {
      // It is gone already.
    }
  }
  await process.status;
  assert.notEqual(told, "", "the child did not begin");
  return Number(told.split("\n").at(-2));
}

Deno.test("S10 killed at any moment of 10,000 writes the state is whole, with all that was acknowledged", async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const moments = fc.sample(fc.nat(BATCHES - 1), { seed, numRuns: 10 });
  await using file = new StateFile();
  let written = 0;
  for (const batches of [0, ...moments]) {
    const acknowledged = await writeUntilKilled(file.path, written + 1, batches);
    const about = `seed ${seed}, killed after ${batches} batches behind ${written}`;
    await using store = await file.open();
    assert.deepEqual(file.events, [], about);
    const versions = new Set(store.scopes().map(({ rv }) => Number(rv)));
    const [version = 0] = versions;
    assert.ok(versions.size <= 1, `one transaction of two scopes was torn: ${about}`);
    assert.ok(version >= acknowledged, `${acknowledged} was lost, ${version} is there: ${about}`);
    assert.ok(version <= acknowledged + 1, about);
    if (version === 0) continue;
    const want = contentAt(version);
    for (const scope of SCOPES) {
      const got = readAll(store, scope);
      assert.deepEqual(new Map(got.map((each) => [each.key, Number(each.resourceVersion)])), want);
      for (const { key, body } of got) {
        assert.deepEqual(Uint8Array.from(body), objectAt(key, want.get(key)!).body, about);
      }
    }
    assert.equal(new TextDecoder().decode(store.kept("token\nnewest")!.body), String(version));
    written = version;
  }
  assert.ok(written > 0);
});

Deno.test("S10 without its directory the agent works in memory, and writes as soon as it is there", async () => {
  await using file = new StateFile();
  const { directory } = file;
  Deno.removeSync(directory);
  await using store = await file.open();
  assert.match(file.events[0]!, /^unavailable: Cannot open the state file .*state\.db/);
  assert.equal(store.failing, true);
  store.put(1, storedObject("a"));
  store.saveScope(scopeRow(1, "10"));
  store.keep("k", keptAnswer("x"));
  assert.deepEqual(readAll(store, 1).map(({ key }) => key), ["a"]);
  assert.notEqual(store.kept("k"), undefined);
  await store.settled();
  await file.clock.advance(REOPEN_MS);
  await until("the second try", () => file.clock.pending > 0);
  Deno.mkdirSync(directory);
  await file.clock.advance(REOPEN_MS);
  await until("the file", () => !store.failing);
  assert.deepEqual(file.events.slice(1), ["recovered"]);
  await until("the objects", () => file.look(countItems) === 1);
  assert.deepEqual(readAll(store, 1).map(({ key }) => key), ["a"]);
});

Deno.test("what is sealed is in none of the files, and of no use with another key", async () => {
  await using file = new StateFile();
  const marker = "hunter2-in-the-clear";
  {
    await using store = await file.open();
    store.seal(2);
    const secret = { ...storedObject("ns/secret"), body: utf8(`{"data":"${marker}"}`) };
    store.put(2, secret);
    store.saveScope(scopeRow(2, "5"));
    store.put(1, storedObject("ns/pod"));
    store.saveScope(scopeRow(1, "5"));
    store.keep("token\nx", keptAnswer(marker));
    store.keep("discovery\n/api", keptAnswer("public"));
    await file.clock.advance(FLUSH_MS);
    await file.until((db) => countItems(db) === 2);
    // With its log, before anything was moved into the file.
    assert.ok(!file.bytes().includes(marker));
    assert.ok(file.bytes().includes("ns/pod"), "it would have been found");
    assert.deepEqual(Uint8Array.from(store.get(2, "ns/secret")!.body), secret.body);
  }
  assert.ok(!file.bytes().includes(marker));
  {
    await using store = await file.open();
    assert.match(new TextDecoder().decode(store.get(2, "ns/secret")!.body), /hunter2/);
    assert.match(new TextDecoder().decode(store.kept("token\nx")!.body), /hunter2/);
  }
  await using store = await file.open({ secret: utf8("another secret, as long") });
  assert.deepEqual(file.events, ["unreadable: 2"]);
  assert.deepEqual(store.scopes().map(({ id }) => id), [1]);
  assert.equal(store.kept("token\nx"), undefined);
  assert.notEqual(store.kept("discovery\n/api"), undefined);
  assert.equal(readAll(store, 1).length, 1);
});

Deno.test("a sealed row in the place of another is damaged", async () => {
  await using file = new StateFile();
  {
    await using store = await file.open();
    store.seal(1);
    for (const key of ["a", "b"]) store.put(1, storedObject(key));
    store.saveScope(scopeRow(1, "5"));
  }
  file.look((db) => {
    const { body } = db.prepare("SELECT body FROM items WHERE key = 'a'").get() as {
      body: Uint8Array;
    };
    const sum = itemChecksum({ scope: 1, key: "b", uid: "u-b", rv: "1", form: 1, body });
    db.prepare("UPDATE items SET body = ?, sum = ? WHERE key = 'b'").run(body, sum);
  });
  await using store = await file.open();
  assert.equal(store.get(1, "a")!.key, "a");
  assert.throws(() => store.get(1, "b"), DamagedError);
});

/** Three scopes of several pages each, and answers. */
async function fillThree(file: StateFile): Promise<void> {
  await using store = await file.open();
  for (const scope of [1, 2, 3]) {
    if (scope === 3) store.seal(3);
    for (let i = 0; i < SIZE; i++) {
      const body = utf8(`{"marker":"m${scope}-${i}-${"x".repeat(400)}"}`);
      store.put(scope, { ...storedObject(`k${i}`, 10), body });
    }
    store.saveScope(scopeRow(scope, "10"));
    await file.clock.advance(FLUSH_MS);
    await file.until((db) => countItems(db) === scope * SIZE);
  }
  for (let i = 0; i < 20; i++) store.keep(`discovery\n/a${i}`, keptAnswer("x".repeat(300)));
}

/** Spoils the page that holds the body of an object of scope 2. */
function spoilPage(path: string, from: number): void {
  const bytes = Deno.readFileSync(path);
  const at = new TextDecoder("latin1").decode(bytes).indexOf('"m2-7-');
  assert.ok(at > 0);
  const page = Math.floor(at / PAGE) * PAGE;
  const file = Deno.openSync(path, { write: true });
  file.seekSync(page + from, Deno.SeekMode.Start);
  file.writeSync(new Uint8Array(64).fill(0xff));
  file.close();
}

Deno.test("S10 what adds up in a damaged file is carried over, the rest is not there at all", async () => {
  await using file = new StateFile();
  await fillThree(file);
  spoilPage(file.path, 0);
  {
    await using store = await file.open();
    assert.match(file.events[0]!, /^set aside .*damaged-/);
    assert.deepEqual(store.scopes().map(({ id }) => id), [1, 3]);
    assert.deepEqual([1, 2, 3].map((id) => readAll(store, id).length), [SIZE, 0, SIZE]);
    assert.equal(store.keptKeys("discovery").length, 20);
  }
  await using store = await file.open();
  assert.deepEqual(store.scopes().map(({ id }) => id), [1, 3]);
  assert.equal(file.events.length, 1);
});

Deno.test("S10 a file that is cut off gives what it can, and takes new state", async () => {
  await using file = new StateFile();
  await fillThree(file);
  const { size } = Deno.statSync(file.path);
  Deno.truncateSync(file.path, Math.floor(size / 2 / PAGE) * PAGE);
  await using store = await file.open();
  assert.equal(file.events.length, 1);
  for (const { id } of store.scopes()) assert.equal(readAll(store, id).length, SIZE);
  store.put(9, storedObject("new"));
  assert.equal(readAll(store, 9).length, 1);
});

Deno.test("S10 a file that goes bad under a running agent is replaced, without a short list at any moment", async () => {
  await using file = new StateFile();
  await fillThree(file);
  await using store = await file.open();
  let replaced = 0;
  store.replaced = () => {
    replaced++;
    assert.deepEqual(store.scopes().map(({ id }) => id), [1, 3]);
  };
  spoilPage(file.path, 0);
  assert.throws(() => readAll(store, 2), DamagedError);
  // A change of the lost scope that was made before anybody knew must not become all of it.
  store.put(2, storedObject("late"));
  store.saveScope(scopeRow(2, "11"));
  await until("the new file", async () => {
    for (const id of [1, 3]) assert.equal(readAll(store, id).length, SIZE);
    await file.clock.advance(FLUSH_MS);
    return replaced > 0;
  });
  assert.equal(file.events.filter((event) => event.startsWith("set aside")).length, 1);
  // As its hub does when it hears of it.
  store.saveScope(scopeRow(2, "", { complete: false }));
  while (store.failing) await file.clock.advance(REOPEN_MS);
  await file.clock.advance(FLUSH_MS);
  await until("a batch", () => file.look(countItems) >= 2 * SIZE);
  assert.deepEqual(store.scopes().map(({ id }) => id), [1, 3]);
  for (const id of [1, 3]) assert.equal(readAll(store, id).length, SIZE);
});

Deno.test("S10 a kept answer on a page that went bad is not kept, and has the file replaced", async () => {
  await using file = new StateFile();
  await fillThree(file);
  await using store = await file.open();
  let replaced = 0;
  store.replaced = () => replaced++;
  // The root pages of the table and of its index.
  for (const name of ["kept", "sqlite_autoindex_kept_1"]) {
    const page = file.look((db) =>
      Number(db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = ?").get(name)?.rootpage)
    );
    using bytes = Deno.openSync(file.path, { write: true });
    bytes.seekSync((page - 1) * PAGE, Deno.SeekMode.Start);
    bytes.writeSync(new Uint8Array(64).fill(0xff));
  }
  store.keep("discovery\n/new", keptAnswer("new"));
  assert.equal(store.kept("discovery\n/a1"), undefined);
  assert.deepEqual(store.keptKeys("discovery"), ["discovery\n/new"]);
  assert.deepEqual(store.keptByAge(), []);
  await until("the new file", async () => {
    await file.clock.advance(FLUSH_MS);
    return replaced > 0;
  });
  for (const id of [1, 2, 3]) assert.equal(readAll(store, id).length, SIZE);
});

Deno.test("a list that is read too slowly is cut off, and the rest of the store goes on", async () => {
  await using file = new StateFile();
  await fillThree(file);
  await using store = await file.open();
  using slow = store.snapshot(1);
  assert.ok(slow.next().length > 0);
  await file.clock.advance(300_000);
  assert.throws(() => slow.next(), /read too slowly/);
  assert.equal(readAll(store, 1).length, SIZE);
});

Deno.test({
  name: "S10 a file that goes bad on a full disk is replaced once there is room",
  ignore: !await canMount(),
  async fn() {
    await using disk = await SmallDisk.create(8);
    const file = new StateFile(disk.path);
    await fillThree(file);
    await using store = await file.open();
    let replaced = 0;
    store.replaced = () => replaced++;
    spoilPage(file.path, 0);
    Deno.removeSync(`${disk.path}/state.reserve`);
    await disk.fill();
    assert.throws(() => readAll(store, 2), DamagedError);
    for (let i = 0; i < 3; i++) {
      store.put(1, storedObject("k1", 11));
      await until("the agent to fail", async () => {
        await file.clock.advance(REOPEN_MS);
        return store.failing;
      });
    }
    assert.equal(replaced, 0);
    for (const id of [1, 3]) assert.equal(readAll(store, id).length, SIZE);
    await disk.empty();
    await until("the new file", async () => {
      await file.clock.advance(REOPEN_MS);
      return replaced === 1 && !store.failing;
    });
    for (const id of [1, 3]) assert.equal(readAll(store, id).length, SIZE);
  },
});
