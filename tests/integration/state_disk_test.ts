import assert from "node:assert/strict";
import { until } from "../cluster/poll.ts";
import type { Json } from "../testing/api_server_contract/scratch.ts";
import { WatchReader } from "../testing/api_server_contract/watch_reader.ts";
import { startFakeSite } from "../testing/fake_site.ts";
import type { StateStore } from "../../src/proxy/store/state_store.ts";
import { canMount, SmallDisk } from "../testing/small_disk.ts";
import { countItems, FLUSH_MS, StateFile } from "../testing/state_file.ts";
import { keptAnswer, readAll, scopeRow, storedObject } from "../testing/state_store_contract.ts";

const REOPEN_MS = 60_000;
/** Nothing was written for so long: the file is tidied up. */
const TIDY_MS = 60_000;
const ignore = !await canMount();

Deno.test({
  name: "S10 on a read-only disk the agent starts, shows what is there, and writes once it may",
  ignore,
  async fn() {
    await using disk = await SmallDisk.create(8);
    const file = new StateFile(disk.path);
    {
      await using store = await file.open();
      store.put(1, storedObject("old"));
      store.saveScope(scopeRow(1, "10"));
      store.keep("k", keptAnswer("x"));
    }
    await disk.remount("ro");
    await using store = await file.open();
    assert.match(file.events[0]!, /^unavailable: .*read-only|readonly|EROFS/i);
    assert.equal(store.failing, true);
    assert.deepEqual(store.scopes(), [scopeRow(1, "10")]);
    assert.notEqual(store.kept("k"), undefined);
    store.put(1, storedObject("new"));
    store.saveScope(scopeRow(1, "11"));
    assert.deepEqual(readAll(store, 1).map(({ key }) => key), ["new", "old"]);
    await disk.remount("rw");
    await file.clock.advance(REOPEN_MS);
    await until("the file", () => !store.failing);
    await until("the objects", () => file.look(countItems) === 2);
    assert.deepEqual(file.events.slice(1), ["recovered"]);
    assert.deepEqual(readAll(store, 1).map(({ key }) => key), ["new", "old"]);
  },
});

const big = (key: string, version: number) => ({
  ...storedObject(key, version),
  body: new Uint8Array(100 * 1024).fill(0x20 + version % 64),
});

Deno.test("the file stays below maxBytes: room is made, or what comes stays in memory", async () => {
  await using file = new StateFile();
  const maxBytes = 8 * 1024 * 1024;
  const calls: number[] = [];
  const put = (store: StateStore, scope: number) => {
    for (let i = 0; i < 50; i++) store.put(scope, big(`k${i}`, scope));
    store.saveScope(scopeRow(scope, "10"));
  };
  {
    await using store = await file.open({ maxBytes });
    const victims = [1];
    store.makeRoom = async (wanted) => {
      calls.push(wanted);
      const victim = victims.shift();
      return victim !== undefined && await store.drop([victim]);
    };
    put(store, 1);
    await file.clock.advance(FLUSH_MS);
    await file.until((db) => countItems(db) === 50);
    put(store, 2);
    await file.clock.advance(FLUSH_MS);
    await file.until((db) => db.prepare("SELECT id FROM scopes").get()?.id === 2);
    assert.equal(store.failing, false);
    await until("the objects of scope 1 to be gone", () => file.look(countItems) === 50);
    // Nothing is left to be forgotten.
    put(store, 3);
    await until("the agent to say so", async () => {
      await file.clock.advance(FLUSH_MS);
      return store.failing;
    });
    assert.match(file.events[0]!, /^failed: .*full/);
    assert.deepEqual([2, 3].map((scope) => readAll(store, scope).length), [50, 50]);
    assert.ok(calls.length >= 2 && calls.every((wanted) => wanted > 0));
    const { size } = await Deno.stat(file.path);
    assert.ok(size <= maxBytes, `${size} bytes`);
    assert.ok(store.usage.usedBytes <= maxBytes && store.usage.usedBytes > 5_000_000);
  }
  await using store = await file.open({ maxBytes });
  assert.deepEqual(store.scopes().map(({ id }) => id), [2]);
  assert.equal(readAll(store, 2).length, 50);
});

Deno.test({
  name: "S10 a full disk delays nobody, loses nothing in memory, and is written when there is room",
  ignore,
  async fn() {
    await using disk = await SmallDisk.create(8);
    const file = new StateFile(disk.path);
    await using store = await file.open();
    store.put(1, storedObject("first"));
    store.saveScope(scopeRow(1, "10"));
    await file.clock.advance(FLUSH_MS);
    await file.until((db) => countItems(db) === 1);
    await disk.fill();
    let i = 0;
    await until("the disk to be full", async () => {
      store.put(1, big(`k${String(i).padStart(3, "0")}`, i));
      store.saveScope(scopeRow(1, String(11 + i++)));
      await file.clock.advance(FLUSH_MS);
      return store.failing;
    }, { intervalMs: 10 });
    assert.match(file.events[0]!, /^failed: .*full/);
    const reserve = `${disk.path}/state.reserve`;
    await assert.rejects(Deno.stat(reserve), Deno.errors.NotFound, "what was held back is used");
    const there = readAll(store, 1).length;
    store.remove(1, "first");
    store.put(1, storedObject("more"));
    assert.equal(readAll(store, 1).length, there);
    await disk.empty();
    while (store.failing) await file.clock.advance(REOPEN_MS);
    await file.until((db) => countItems(db) === there);
    assert.deepEqual(file.events.slice(1), ["recovered"]);
    await until("the reserve to be held again", async () => {
      await file.clock.advance(TIDY_MS);
      return (await Deno.stat(reserve).catch(() => undefined))?.size === 1024 * 1024;
    });
  },
});

Deno.test({
  name: "S10 a full disk: a live watch goes on, and the next start has what was written last",
  ignore,
  async fn() {
    await using disk = await SmallDisk.create(6);
    await using site = await startFakeSite({ stateDir: `${disk.path}/state` });
    const path = "/api/v1/namespaces/default/configmaps";
    await using watch = new WatchReader(await site.proxy.fetch(`${path}?watch=true`));
    await disk.fill();
    const text = "x".repeat(50_000);
    for (let i = 0; i < 60; i++) {
      const metadata = { name: `c${i}`, namespace: "default" };
      site.cloud.create("configmaps", { metadata, data: { text } });
      const frame = await watch.next();
      assert.equal(frame?.object.metadata.name, `c${i}`);
    }
    await until("the agent to say so", () => site.proxy.proxy.notReady() !== undefined);
    const list = async () => {
      const response = await site.proxy.fetch(`${path}?resourceVersion=0`);
      return (await response.json() as Json).items.length;
    };
    assert.equal(await list(), 60);
    await site.restart(() => void site.link.set({ state: "refused" }));
    // Older, maybe; never a part of it.
    const response = await site.proxy.fetch(`${path}?resourceVersion=0`);
    const { items, metadata } = await response.json() as Json;
    if (response.status === 200) {
      const versions = items.map((each) => Number(each.metadata.resourceVersion));
      assert.ok(versions.every((version) => version <= Number(metadata.resourceVersion)));
      const names = items.map((each) => Number(each.metadata.name.slice(1))).sort((a, b) => a - b);
      assert.deepEqual(names, names.map((_, i) => i));
    } else {
      assert.equal(response.status, 504);
    }
  },
});

Deno.test({
  name: "S10 the agent starts again when its whole directory has become read-only",
  ignore,
  async fn() {
    await using disk = await SmallDisk.create(8);
    await using site = await startFakeSite({
      stateDir: `${disk.path}/state`,
      // The same port again, or the kubeconfigs would have to be written anew.
      section: { listen: "127.0.0.1:0" },
    });
    const path = "/api/v1/namespaces/default/configmaps";
    site.cloud.create("configmaps", { metadata: { name: "a", namespace: "default" } });
    assert.equal(
      (await (await site.proxy.fetch(`${path}?resourceVersion=0`)).json()).items.length,
      1,
    );
    const port = Number(new URL(site.proxy.url).port);
    site.section.listen = `127.0.0.1:${port}`;
    await site.restart(async () => {
      await disk.remount("ro");
      site.link.set({ state: "refused" });
    });
    assert.match(site.proxy.proxy.notReady() ?? "", /can not be written/);
    assert.equal(
      (await (await site.proxy.fetch(`${path}?resourceVersion=0`)).json()).items.length,
      1,
    );
    await site.proxy.stop();
    await disk.remount("rw");
  },
});
