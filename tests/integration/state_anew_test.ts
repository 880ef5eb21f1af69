import assert from "node:assert/strict";
import { until } from "../cluster/poll.ts";
import { utf8 } from "../testing/arbitraries.ts";
import { canMount, SmallDisk } from "../testing/small_disk.ts";
import { FLUSH_MS, StateFile } from "../testing/state_file.ts";
import { keptAnswer, readAll, scopeRow, storedObject } from "../testing/state_store_contract.ts";

/** Time between tries to open a file. */
const REOPEN_MS = 60_000;

/** A file whose directory is not mounted yet when the agent starts. */
async function mountedLate(): Promise<{ file: StateFile; mount: () => Promise<void> }> {
  const file = new StateFile();
  {
    await using store = await file.open();
    for (const key of ["former-a", "former-b"]) store.put(1, storedObject(key));
    store.saveScope(scopeRow(1, "10", { key: "former scope" }));
    store.put(2, storedObject("other"));
    store.saveScope(scopeRow(2, "10", { key: "scope that is asked for again" }));
    store.keep("object\nme\nv1/pods\nformer", keptAnswer("former"));
  }
  const elsewhere = `${file.directory}.elsewhere`;
  await Deno.rename(file.directory, elsewhere);
  const mount = async () => {
    await Deno.rename(elsewhere, file.directory);
    await file.clock.advance(REOPEN_MS);
  };
  return { file, mount };
}

Deno.test("S10 a file that appears late is not mixed with what came to be in memory", async () => {
  const { file, mount } = await mountedLate();
  await using _ = file;
  {
    await using store = await file.open();
    assert.equal(store.failing, true);
    // Numbers begin anew, since nothing of the former ones is known.
    store.put(1, storedObject("new"));
    store.saveScope(scopeRow(1, "20", { key: "scope that is asked for again" }));
    await mount();
    await until("the file", () => !store.failing);
    await file.clock.advance(FLUSH_MS);
    await file.until((db) =>
      db.prepare("SELECT 1 FROM scopes WHERE rv = '20'").get() !== undefined
    );
    assert.deepEqual(readAll(store, 1).map(({ key }) => key), ["new"]);
    assert.deepEqual(store.scopes().map(({ id, key }) => [id, key]), [
      [1, "scope that is asked for again"],
    ]);
  }
  assert.equal(file.events.filter((event) => event.startsWith("set aside")).length, 1);
  await using store = await file.open();
  assert.deepEqual(readAll(store, 1).map(({ key }) => key), ["new"]);
});

Deno.test("renew() brings nothing of another cluster back when the file could not be opened", async () => {
  const { file, mount } = await mountedLate();
  await using _ = file;
  await using store = await file.open();
  await store.renew("it is of another cluster");
  await mount();
  await until("the file", () => !store.failing);
  assert.deepEqual(store.scopes(), []);
  assert.equal(store.kept("object\nme\nv1/pods\nformer"), undefined);
});

Deno.test({
  name: "S10 what is lost when a read-only file is opened for writing is told, not taken for empty",
  ignore: !await canMount(),
  async fn() {
    await using disk = await SmallDisk.create(8);
    const file = new StateFile(disk.path);
    {
      await using store = await file.open();
      store.seal(2);
      for (const scope of [1, 2]) {
        store.put(scope, storedObject("a"));
        store.saveScope(scopeRow(scope, "10"));
      }
    }
    await disk.remount("ro");
    await using store = await file.open({ secret: utf8("another secret, as long") });
    assert.deepEqual(store.scopes().map(({ id }) => id), [1, 2]);
    let held: number[] = [];
    store.replaced = () => held = store.scopes().map(({ id }) => id);
    await disk.remount("rw");
    await file.clock.advance(REOPEN_MS);
    await until("the file", () => !store.failing);
    assert.deepEqual(held, [1]);
  },
});
