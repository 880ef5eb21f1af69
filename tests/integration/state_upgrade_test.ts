import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { openDatabase } from "../../src/platform/sqlite.ts";
import { DamagedError } from "../../src/proxy/store/rows.ts";
import { SCHEMA_VERSION } from "../../src/proxy/store/schema.ts";
import { text, utf8 } from "../testing/arbitraries.ts";
import { StateFile } from "../testing/state_file.ts";
import { keptAnswer, readAll, storedObject } from "../testing/state_store_contract.ts";

/** The statements with which an agent of schema version 1 made its file. */
const VERSION_1 = `
  PRAGMA auto_vacuum = INCREMENTAL;
  PRAGMA journal_mode = WAL;
  BEGIN;
  CREATE TABLE scopes (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, rv TEXT NOT NULL, change_rv TEXT NOT NULL,
    complete INTEGER NOT NULL, head TEXT NOT NULL
  ) STRICT;
  CREATE TABLE items (
    scope INTEGER NOT NULL, key TEXT NOT NULL, uid TEXT NOT NULL, rv TEXT NOT NULL,
    sum INTEGER NOT NULL, body BLOB NOT NULL, UNIQUE (scope, key)
  ) STRICT;
  CREATE TABLE kept (
    key TEXT NOT NULL UNIQUE, status INTEGER NOT NULL, headers TEXT NOT NULL, rv TEXT NOT NULL,
    at INTEGER NOT NULL, sum INTEGER NOT NULL, body BLOB NOT NULL
  ) STRICT;
  PRAGMA user_version = 1;
  COMMIT`;

const MARKER = "hunter2-in-the-clear";
const OBJECTS = 450;

/** As it was written by an agent of that version: pods, a Secret, a damaged object, answers. */
function writeVersion1(path: string): void {
  using db = openDatabase(path);
  db.exec(VERSION_1);
  const scope = db.prepare("INSERT INTO scopes VALUES (?, ?, '10', '9', ?, '{}')");
  const key = (resource: string) =>
    JSON.stringify(["identity:node", resource, "", "", "", "object", ""]);
  scope.run(1, key("v1/pods"), 1);
  scope.run(2, key("v1/secrets"), 1);
  scope.run(3, key("apps/v1/deployments"), 1);
  scope.run(4, key("v1/nodes"), 0);
  const item = db.prepare("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?)");
  for (let i = 0; i < OBJECTS; i++) {
    const { key, uid, resourceVersion, body } = storedObject(`ns/p${i}`);
    item.run(1, key, uid, resourceVersion, crc32(body), body);
  }
  // Several pages long: it lay in pages of its own.
  const secret = utf8(JSON.stringify({ data: MARKER.repeat(900) }));
  item.run(2, "ns/secret", "u", "1", crc32(secret), secret);
  item.run(3, "ns/broken", "u", "1", 1, utf8("{}"));
  item.run(4, "half", "u", "1", crc32(utf8("{}")), utf8("{}"));
  const kept = db.prepare("INSERT INTO kept VALUES (?, 200, '{}', '5', 7, ?, ?)");
  const answer = utf8(MARKER);
  kept.run("object\nidentity:node\nv1/secrets\nns/a\nobject", crc32(answer), answer);
  kept.run("discovery\n/api\n*/*", crc32(utf8("public")), utf8("public"));
}

Deno.test("StateStore.open() brings a file of version 1 to this version, with all that it held", async () => {
  await using file = new StateFile();
  writeVersion1(file.path);
  assert.ok(file.bytes().includes(MARKER));
  for (let start = 0; start < 2; start++) {
    await using store = await file.open();
    assert.deepEqual(store.scopes().map(({ id, rv, changeRv }) => [id, rv, changeRv]), [
      [1, "10", "9"],
      [2, "10", "9"],
      [3, "10", "9"],
    ]);
    assert.equal(readAll(store, 1).length, OBJECTS);
    assert.deepEqual(Uint8Array.from(store.get(1, "ns/p7")!.body), storedObject("ns/p7").body);
    assert.match(text(store.get(2, "ns/secret")!.body), /hunter2/);
    assert.throws(() => readAll(store, 3), DamagedError);
    const answer = store.kept("object\nidentity:node\nv1/secrets\nns/a\nobject");
    assert.equal(text(answer!.body), MARKER);
    assert.equal(text(store.kept("discovery\n/api\n*/*")!.body), "public");
  }
  assert.equal(
    file.look((db) => db.prepare("PRAGMA user_version").get()!.user_version),
    SCHEMA_VERSION,
  );
  assert.deepEqual(file.events, []);
  assert.ok(!file.bytes().includes(MARKER), "what lay there in the clear is gone");
});

Deno.test("StateStore.open() sets a file of a newer agent aside, and says so", async () => {
  await using file = new StateFile();
  {
    await using store = await file.open();
    store.keep("k", keptAnswer("x"));
  }
  file.look((db) => db.exec(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`));
  await using store = await file.open();
  assert.equal(store.kept("k"), undefined);
  assert.match(file.events[0]!, /^set aside .* which a newer agent wrote/);
});
