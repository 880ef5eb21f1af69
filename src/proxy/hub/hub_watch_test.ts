import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { text, utf8 } from "../../../tests/testing/arbitraries.ts";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import { createPodHub, eventObject, relist } from "../../../tests/testing/hub_cloud.ts";
import { MemoryStore } from "../../../tests/testing/memory_store.ts";
import { JsonFrameSplitter, parseWatchEvent } from "../../kube/watch_event.ts";
import type { Hub } from "./hub.ts";
import { type WatchEnd, watchHub, type WatchOptions } from "./hub_watch.ts";

const pod = (name: string, version: number, filler = "") =>
  utf8(JSON.stringify({
    metadata: { name, uid: `u-${name}`, resourceVersion: String(version) },
    ...(filler && { filler }),
  }));

const change = (hub: Hub, type: "ADDED" | "MODIFIED" | "DELETED", name: string, version: number) =>
  hub.change({ type, object: eventObject({ type, name, uid: `u-${name}`, version }) });

/** A hub at version 10 that holds a and b. */
async function createHub(limits = { maxEvents: 100, maxBytes: 1_000_000 }) {
  const store = new MemoryStore(1);
  const hub = createPodHub(store, { limits });
  await relist(hub, [pod("a", 3), pod("b", 4)], 10);
  return { hub, store };
}

/** A watch of the hub; `next()` gives what has come since, as `TYPE name@version`. */
function watch(hub: Hub, options: Partial<WatchOptions> = {}) {
  const clock = new FakeClock();
  const ends: WatchEnd[] = [];
  const body = watchHub(
    hub,
    {
      resourceVersion: "",
      bookmarks: false,
      sendInitialEvents: false,
      timeoutMs: 60_000,
      signal: new AbortController().signal,
      ...options,
    },
    clock,
    (end) => ends.push(end),
  );
  const reader = body.getReader();
  const splitter = new JsonFrameSplitter();
  let waiting: ReturnType<typeof reader.read> | undefined;
  return {
    clock,
    ends,
    cancel: () => reader.cancel(),
    async next(): Promise<string[]> {
      const frames: string[] = [];
      for (;;) {
        waiting ??= reader.read();
        const result = await Promise.race([waiting, setImmediate()]);
        if (result === undefined) return frames;
        waiting = undefined;
        if (result.done) return [...frames, "end"];
        frames.push(...splitter.push(result.value).map(format));
      }
    },
  };
}

function format(frame: Uint8Array): string {
  const { type, object } = parseWatchEvent(frame);
  const { metadata, code } = JSON.parse(text(object));
  if (type === "ERROR") return `ERROR ${code}`;
  const end = metadata.annotations?.["k8s.io/initial-events-end"] === "true" ? " initial end" : "";
  return `${type} ${metadata.name ?? ""}@${metadata.resourceVersion}${end}`;
}

Deno.test.each(["", "0"])(
  "watchHub() begins with the objects when the version is '%s'",
  async (version) => {
    const { hub } = await createHub();
    const watcher = watch(hub, { resourceVersion: version });
    assert.deepEqual(await watcher.next(), ["ADDED a@3", "ADDED b@4"]);
    change(hub, "MODIFIED", "a", 11);
    assert.deepEqual(await watcher.next(), ["MODIFIED a@11"]);
    await watcher.cancel();
  },
);

Deno.test("watchHub() begins with nothing but waits when the collection is empty", async () => {
  const hub = createPodHub(new MemoryStore());
  await relist(hub, [], 10);
  const watcher = watch(hub);
  assert.deepEqual(await watcher.next(), []);
  change(hub, "ADDED", "a", 11);
  assert.deepEqual(await watcher.next(), ["ADDED a@11"]);
  await watcher.cancel();
});

Deno.test.each(["", "0", "10", "5"])(
  "watchHub() ends the initial events with the annotated bookmark when asked, from version '%s'",
  async (resourceVersion) => {
    const { hub } = await createHub();
    const watcher = watch(hub, { resourceVersion, sendInitialEvents: true, bookmarks: true });
    assert.deepEqual(await watcher.next(), ["ADDED a@3", "ADDED b@4", "BOOKMARK @10 initial end"]);
    await watcher.cancel();
  },
);

Deno.test("watchHub() gives each object its kind", async () => {
  const { hub } = await createHub();
  const body = watchHub(
    hub,
    {
      resourceVersion: "0",
      bookmarks: false,
      sendInitialEvents: false,
      timeoutMs: 1,
      signal: new AbortController().signal,
    },
    new FakeClock(),
    () => {},
  );
  const reader = body.getReader();
  const { value } = await reader.read();
  assert.match(text(value!), /^\{"type":"ADDED","object":\{"kind":"Pod","apiVersion":"v1",/);
  await reader.cancel();
});

Deno.test("watchHub() sends what is newer than the client's version, and nothing twice", async () => {
  const { hub } = await createHub();
  change(hub, "ADDED", "c", 11);
  change(hub, "DELETED", "a", 12);
  const watcher = watch(hub, { resourceVersion: "11" });
  assert.deepEqual(await watcher.next(), ["DELETED a@12"]);
  change(hub, "ADDED", "d", 13);
  assert.deepEqual(await watcher.next(), ["ADDED d@13"]);
  await watcher.cancel();
});

Deno.test("watchHub() sends an ERROR frame with 410 when the version is older than the window", async () => {
  const { hub } = await createHub();
  const watcher = watch(hub, { resourceVersion: "9" });
  assert.deepEqual(await watcher.next(), ["ERROR 410", "end"]);
  assert.deepEqual(watcher.ends, ["expired"]);
});

Deno.test("watchHub() goes on through a relist and tells the difference alone", async () => {
  const { hub } = await createHub();
  const watcher = watch(hub, { resourceVersion: "10", bookmarks: true });
  assert.deepEqual(await watcher.next(), []);
  await relist(hub, [pod("b", 4), pod("c", 17)], 20);
  assert.deepEqual(await watcher.next(), ["DELETED a@10", "ADDED c@17", "BOOKMARK @20"]);
  await watcher.cancel();
});

Deno.test("watchHub() goes on from a version ahead of the hub, without going back", async () => {
  const { hub } = await createHub();
  const watcher = watch(hub, { resourceVersion: "12", bookmarks: true });
  change(hub, "ADDED", "c", 11);
  hub.bookmark("11");
  assert.deepEqual(await watcher.next(), []);
  change(hub, "ADDED", "d", 12);
  change(hub, "ADDED", "e", 13);
  hub.bookmark("15");
  assert.deepEqual(await watcher.next(), ["ADDED e@13", "BOOKMARK @15"]);
  await watcher.cancel();
});

Deno.test.each([
  { name: "past its version", to: 20, want: ["ERROR 410", "end"] },
  { name: "not as far as its version", to: 12, want: [] },
])("watchHub() ahead of the hub is sent $want when a list leads $name", async ({ to, want }) => {
  const { hub } = await createHub();
  const watcher = watch(hub, { resourceVersion: "12" });
  assert.deepEqual(await watcher.next(), []);
  await relist(hub, [pod("b", 4)], to);
  assert.deepEqual(await watcher.next(), want);
  await watcher.cancel();
});

Deno.test.each([
  { version: "15", name: "in the middle of what a relist led over", want: ["ERROR 410", "end"] },
  { version: "10", name: "where the relist began", want: ["DELETED a@10", "ADDED c@17"] },
  { version: "20", name: "where the relist ended", want: [] },
])("watchHub() sends $want when a client comes back $name", async ({ version, want }) => {
  const { hub } = await createHub();
  await relist(hub, [pod("b", 4), pod("c", 17)], 20);
  const watcher = watch(hub, { resourceVersion: version });
  assert.deepEqual(await watcher.next(), want);
  await watcher.cancel();
});

Deno.test("watchHub() tells everybody to list anew when the cloud went back to an older version", async () => {
  const { hub } = await createHub();
  const open = watch(hub, { resourceVersion: "10" });
  assert.deepEqual(await open.next(), []);
  await relist(hub, [pod("a", 3)], 7);
  assert.deepEqual(await open.next(), ["ERROR 410", "end"]);
  // Who was away must not wait for ever for a version of the past that the cloud gave up.
  assert.deepEqual(await watch(hub, { resourceVersion: "10" }).next(), ["ERROR 410", "end"]);
  const fresh = watch(hub, { resourceVersion: "7" });
  change(hub, "ADDED", "n", 8);
  assert.deepEqual(await fresh.next(), ["ADDED n@8"]);
  await fresh.cancel();
});

Deno.test("watchHub() sends bookmarks only when asked", async () => {
  const { hub } = await createHub();
  const [with_, without] = [true, false].map((bookmarks) =>
    watch(hub, { resourceVersion: "10", bookmarks })
  );
  assert.deepEqual([await with_!.next(), await without!.next()], [[], []]);
  hub.bookmark("15");
  assert.deepEqual([await with_!.next(), await without!.next()], [["BOOKMARK @15"], []]);
  await with_!.cancel();
  await without!.cancel();
});

Deno.test("watchHub() ends at its time with a last bookmark", async () => {
  const { hub } = await createHub();
  const watcher = watch(hub, { resourceVersion: "10", bookmarks: true, timeoutMs: 5_000 });
  change(hub, "ADDED", "c", 12);
  assert.deepEqual(await watcher.next(), ["ADDED c@12"]);
  await watcher.clock.advance(2_999);
  assert.deepEqual(await watcher.next(), []);
  await watcher.clock.advance(1);
  assert.deepEqual(await watcher.next(), ["BOOKMARK @12"]);
  change(hub, "ADDED", "d", 13);
  assert.deepEqual(await watcher.next(), ["ADDED d@13"]);
  await watcher.clock.advance(2_000);
  assert.deepEqual(await watcher.next(), ["BOOKMARK @13", "end"]);
  assert.deepEqual(watcher.ends, ["timeout"]);
});

Deno.test("watchHub() sends bookmarks a minute apart once something has moved", async () => {
  const { hub } = await createHub();
  const watcher = watch(hub, { resourceVersion: "10", bookmarks: true, timeoutMs: 400_000 });
  await watcher.clock.advance(60_000);
  assert.deepEqual(await watcher.next(), []);
  change(hub, "ADDED", "c", 12);
  assert.deepEqual(await watcher.next(), ["ADDED c@12"]);
  for (let minute = 0; minute < 2; minute++) {
    await watcher.clock.advance(59_999);
    assert.deepEqual(await watcher.next(), []);
    await watcher.clock.advance(1);
    assert.deepEqual(await watcher.next(), ["BOOKMARK @12"]);
  }
  await watcher.cancel();
});

Deno.test("watchHub() shows a part of the hub, however many objects are not in it", async () => {
  const { hub } = await createHub();
  const view = { filter: ({ key }: { key: string }) => key === "b" };
  const watcher = watch(hub, { sendInitialEvents: true, bookmarks: true, view });
  assert.deepEqual(await watcher.next(), ["ADDED b@4", "BOOKMARK @10 initial end"]);
  change(hub, "ADDED", "c", 12);
  assert.deepEqual(await watcher.next(), []);
  change(hub, "MODIFIED", "b", 13);
  assert.deepEqual(await watcher.next(), ["MODIFIED b@13"]);
  await watcher.cancel();
});

Deno.test("watchHub() shows nothing of a hub but the end of the initial events", async () => {
  const { hub } = await createHub();
  const view = { filter: () => false };
  const watcher = watch(hub, { sendInitialEvents: true, bookmarks: true, view });
  assert.deepEqual(await watcher.next(), ["BOOKMARK @10 initial end"]);
  await watcher.cancel();
});

Deno.test("watchHub() closes a client that is too slow, and hurts no other", async () => {
  const { hub } = await createHub({ maxEvents: 3, maxBytes: 1_000_000 });
  const [slow, quick] = [
    watch(hub, { resourceVersion: "10" }),
    watch(hub, { resourceVersion: "10" }),
  ];
  await slow.next();
  const seen: string[] = [];
  // Both are asleep: what comes now is taken by who reads.
  for (let version = 11; version < 31; version += 2) {
    change(hub, "MODIFIED", "a", version);
    change(hub, "MODIFIED", "b", version + 1);
    seen.push(...await quick.next());
    if (version === 11) await slow.next();
  }
  assert.equal(seen.length, 20);
  assert.deepEqual((await slow.next()).slice(-1), ["end"]);
  assert.deepEqual(slow.ends, ["slow"]);
  await quick.cancel();
});

Deno.test("watchHub() hands over large backlogs in pieces", async () => {
  const { hub } = await createHub({ maxEvents: 1_000, maxBytes: 100_000_000 });
  const filler = "x".repeat(100_000);
  for (let version = 11; version < 21; version++) {
    const metadata = { name: `p${version}`, uid: "u", resourceVersion: String(version) };
    hub.change({ type: "ADDED", object: utf8(JSON.stringify({ kind: "Pod", metadata, filler })) });
  }
  const reader = watchHub(
    hub,
    {
      resourceVersion: "10",
      bookmarks: false,
      sendInitialEvents: false,
      timeoutMs: 60_000,
      signal: new AbortController().signal,
    },
    new FakeClock(),
    () => {},
  ).getReader();
  const sizes: number[] = [];
  for (let sum = 0; sum < 1_000_000; sum += sizes.at(-1)!) {
    sizes.push((await reader.read()).value!.length);
  }
  assert.ok(sizes.length > 2 && Math.max(...sizes) < 400_000, String(sizes));
  await reader.cancel();
});

Deno.test("watchHub() frees everything when the client goes", async () => {
  const { hub } = await createHub();
  const watcher = watch(hub, { resourceVersion: "10" });
  await watcher.next();
  assert.equal(watcher.clock.pending, 1);
  await watcher.cancel();
  assert.deepEqual(watcher.ends, ["client"]);
  assert.equal(watcher.clock.pending, 0);
});

Deno.test("watchHub() ends when the agent stops", async () => {
  const { hub } = await createHub();
  const stop = new AbortController();
  const watcher = watch(hub, { resourceVersion: "10", signal: stop.signal });
  await watcher.next();
  stop.abort();
  assert.deepEqual(await watcher.next(), ["end"]);
  assert.deepEqual([watcher.ends, watcher.clock.pending], [["stopped"], 0]);
});

Deno.test("watchHub() ends without another word when an object turns out to be damaged", async () => {
  const { hub, store } = await createHub();
  store.damage(1, "b");
  const watcher = watch(hub);
  assert.deepEqual(await watcher.next(), ["ADDED a@3", "end"]);
  assert.deepEqual([watcher.ends, hub.freshness], [["damaged"], "empty"]);
});

Deno.test("watchHub() frees everything when the store fails in the middle", async () => {
  const { hub, store } = await createHub();
  store.snapshot = () => ({
    next() {
      throw new Error("disk I/O error");
    },
    [Symbol.dispose]() {},
  });
  const watcher = watch(hub);
  await assert.rejects(watcher.next(), /disk I\/O error/);
  assert.deepEqual([watcher.ends, watcher.clock.pending], [["damaged"], 0]);
});
