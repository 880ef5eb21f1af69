import assert from "node:assert/strict";
import { text, utf8 } from "../../../tests/testing/arbitraries.ts";
import {
  CloudModel,
  createPodHub,
  eventObject,
  podListHead,
  relist,
} from "../../../tests/testing/hub_cloud.ts";
import { MemoryStore } from "../../../tests/testing/memory_store.ts";
import { RefusedError } from "../../kube/answer.ts";
import { parseWatchEvent } from "../../kube/watch_event.ts";
import type { Hub } from "./hub.ts";

const pod = (name: string, version: number, uid = `u-${name}`) =>
  utf8(JSON.stringify({ metadata: { name, uid, resourceVersion: String(version) } }));

const names = (hub: Hub) => [...hub.content.versions().keys()].sort();

/** What the window holds, as `TYPE name@version`. */
function events(hub: Hub): string[] {
  return hub.window.from(hub.window.locate(hub.window.start)!)!.map(({ frame }) => {
    const { type, object } = parseWatchEvent(frame.subarray(0, -1));
    const { name, uid, resourceVersion } = JSON.parse(text(object)).metadata;
    return `${type} ${name}@${resourceVersion}${uid === `u-${name}` ? "" : ` ${uid}`}`;
  });
}

const change = (hub: Hub, type: "ADDED" | "MODIFIED" | "DELETED", name: string, version: number) =>
  hub.change({ type, object: eventObject({ type, name, uid: `u-${name}`, version }) });

async function setUp(options?: Parameters<typeof createPodHub>[1]) {
  const store = new MemoryStore();
  const hub = createPodHub(store, options);
  await relist(hub, [pod("a", 3), pod("b", 4), pod("c", 5)], 10);
  return { store, hub };
}

Deno.test("replace() shows nothing of the first list before it is whole", async () => {
  const hub = createPodHub(new MemoryStore());
  const replacement = hub.replace();
  await replacement.add([pod("a", 3)]);
  assert.deepEqual([hub.freshness, hub.position()], ["empty", undefined]);
  replacement.commit(podListHead(10));
  assert.deepEqual([hub.freshness, hub.position(), names(hub)], ["current", "10", ["a"]]);
});

Deno.test("replace() removes what an abandoned first list left", async () => {
  const hub = createPodHub(new MemoryStore());
  const broken = hub.replace();
  await broken.add([pod("ghost", 3), pod("a", 3)]);
  broken.abandon();
  await relist(hub, [pod("a", 3)], 10);
  assert.deepEqual(names(hub), ["a"]);
  assert.deepEqual(events(hub), []);
});

Deno.test("replace() tells DELETED first, then what is new by rising version", async () => {
  const { hub } = await setUp();
  await relist(hub, [pod("e", 19), pod("a", 15), pod("d", 12), pod("b", 4)], 20);
  assert.deepEqual(events(hub), ["DELETED c@10", "ADDED d@12", "MODIFIED a@15", "ADDED e@19"]);
  assert.deepEqual(names(hub), ["a", "b", "d", "e"]);
});

Deno.test("replace() tells of an object that was made anew as DELETED and ADDED", async () => {
  const { hub } = await setUp();
  await relist(hub, [pod("a", 15, "u2"), pod("b", 4), pod("c", 5)], 20);
  assert.deepEqual(events(hub), ["DELETED a@10", "ADDED a@15 u2"]);
});

Deno.test("replace() tells nothing when nothing changed", async () => {
  const { hub } = await setUp();
  const { epoch } = hub.window;
  await relist(hub, [pod("a", 3), pod("b", 4), pod("c", 5)], 20);
  assert.deepEqual([events(hub), hub.window.epoch, hub.resourceVersion], [[], epoch, "20"]);
  assert.equal(hub.changeVersion, "10");
});

Deno.test("replace() begins a new epoch when the cloud went back to an older version", async () => {
  const { hub } = await setUp();
  const { epoch } = hub.window;
  await relist(hub, [pod("a", 2, "u0")], 5);
  assert.deepEqual([hub.window.epoch, hub.resourceVersion, names(hub)], [epoch + 1, "5", ["a"]]);
  assert.deepEqual(events(hub), []);
  change(hub, "ADDED", "z", 6);
  assert.deepEqual(names(hub), ["a", "z"]);
});

Deno.test("replace() forgets a list that is still on its way when another one begins", async () => {
  const { hub } = await setUp();
  const first = hub.replace();
  await first.add([pod("x", 11)]);
  const second = hub.replace();
  await second.add([pod("y", 12)]);
  first.commit(podListHead(11));
  assert.deepEqual(names(hub), ["a", "b", "c"]);
  second.commit(podListHead(12));
  assert.deepEqual(names(hub), ["y"]);
});

Deno.test("replace() changes nothing when the list is abandoned", async () => {
  const { hub } = await setUp();
  const replacement = hub.replace();
  await replacement.add([pod("x", 11)]);
  replacement.abandon();
  assert.deepEqual([names(hub), hub.resourceVersion, events(hub)], [["a", "b", "c"], "10", []]);
});

Deno.test("replace() keeps its objects when the caller reuses the buffer", async () => {
  const { hub } = await setUp();
  const replacement = hub.replace();
  const buffer = pod("d", 12);
  await replacement.add([buffer]);
  buffer.fill(0x20);
  replacement.commit(podListHead(12));
  assert.match(text(hub.content.get("d")!.body), /"name":"d"/);
});

Deno.test("change() stores the object as it would lie in a list", async () => {
  const { hub } = await setUp();
  change(hub, "MODIFIED", "a", 11);
  assert.equal(
    text(hub.content.get("a")!.body),
    '{"metadata":{"name":"a","uid":"u-a","resourceVersion":"11"}}',
  );
  assert.deepEqual([hub.resourceVersion, hub.changeVersion], ["11", "11"]);
});

Deno.test.each([9, 10])(
  "change() passes over an event of version %d that is known",
  async (version) => {
    const { hub } = await setUp();
    change(hub, "DELETED", "a", version);
    assert.deepEqual([names(hub), events(hub)], [["a", "b", "c"], []]);
  },
);

Deno.test("bookmark() moves on but never back", async () => {
  const { hub } = await setUp();
  hub.bookmark("15");
  assert.equal(hub.resourceVersion, "15");
  hub.bookmark("12");
  assert.equal(hub.resourceVersion, "15");
  assert.equal(hub.changeVersion, "10");
});

Deno.test("Hub is stale when it comes from the store, and its window begins at the last change", async () => {
  const { store, hub } = await setUp();
  change(hub, "DELETED", "c", 12);
  hub.bookmark("20");
  const again = createPodHub(store);
  assert.deepEqual([again.freshness, again.resourceVersion], ["stale", "20"]);
  assert.equal(again.window.locate("11"), undefined);
  assert.notEqual(again.window.locate("12"), undefined);
  assert.deepEqual(again.itemType, { kind: "Pod", apiVersion: "v1" });
});

Deno.test("Hub is empty again when the process died before the first list was whole", async () => {
  const store = new MemoryStore();
  const replacement = createPodHub(store).replace();
  await replacement.add([pod("a", 3)]);
  store.commit();
  store.crash();
  const again = createPodHub(store);
  assert.deepEqual([again.freshness, names(again)], ["empty", []]);
});

Deno.test.each([
  { name: "caught up", then: (hub: Hub) => hub.caughtUp(), want: "current" },
  { name: "declared when the link is down", then: (hub: Hub) => hub.linkDown(), want: "declared" },
  {
    name: "caught up after it was declared",
    then: (hub: Hub) => (hub.linkDown(), hub.caughtUp()),
    want: "current",
  },
  {
    name: "still current when the link is down later",
    then: (hub: Hub) => (hub.caughtUp(), hub.linkDown()),
    want: "current",
  },
  {
    name: "stale again when a reflector begins",
    then: (hub: Hub) => (hub.caughtUp(), hub.beginReflecting(false)),
    want: "stale",
  },
])("Hub from the store is $name", async ({ then, want }) => {
  const { store } = await setUp();
  const hub = createPodHub(store);
  then(hub);
  assert.equal(hub.freshness, want);
});

Deno.test("caughtUp() and linkDown() do not make an empty hub answer", () => {
  const hub = createPodHub(new MemoryStore());
  hub.caughtUp();
  hub.linkDown();
  assert.equal(hub.freshness, "empty");
});

Deno.test.each([
  { stored: 3, want: "relist" },
  { stored: 21, want: "watch" },
])("catchUp() is $want when $stored objects are stored", async ({ stored, want }) => {
  const store = new MemoryStore();
  await relist(createPodHub(store), Array.from({ length: stored }, (_, i) => pod(`p${i}`, 3)), 10);
  const hub = createPodHub(store);
  assert.equal(hub.catchUp(), want);
  hub.caughtUp();
  assert.equal(hub.catchUp(), "none");
});

Deno.test("refusal is the cloud's last no, until it accepts a watch", async () => {
  const { hub } = await setUp();
  const error = new RefusedError("watch", { status: 403, headers: {}, body: new Uint8Array(0) });
  hub.refused(error);
  assert.equal(hub.refusal, error);
  await relist(hub, [], 20);
  assert.equal(hub.refusal, error, "who may list may still be refused the watch");
  hub.watching();
  assert.equal(hub.refusal, undefined);
});

Deno.test.each([
  { name: "what it has", filled: true, want: "declared" },
  { name: "nothing", filled: false, want: "empty" },
])("cutOff() leaves a hub $want when it holds $name", async ({ filled, want }) => {
  const hub = filled ? (await setUp()).hub : createPodHub(new MemoryStore());
  hub.cutOff();
  assert.equal(hub.freshness, want);
});

Deno.test("damaged() serves nothing until the list was fetched anew", async () => {
  const damaged: string[] = [];
  const { hub, store } = await setUp({ events: { damaged: (_, key) => void damaged.push(key) } });
  const { epoch } = hub.window;
  store.damage(1, "b");
  hub.damaged("b");
  assert.deepEqual([hub.freshness, hub.position(), damaged], ["empty", undefined, ["b"]]);
  assert.notEqual(hub.window.epoch, epoch, "watchers must begin anew");
  assert.equal(createPodHub(store).freshness, "empty", "nor is it served after a restart");
  await relist(hub, [pod("a", 3), pod("b", 4), pod("c", 5)], 12);
  assert.deepEqual([hub.freshness, names(hub)], ["current", ["a", "b", "c"]]);
  assert.match(text(hub.content.get("b")!.body), /"name":"b"/);
  assert.equal(hub.window.locate("11"), undefined);
});

Deno.test("damaged() stops a list on its way, which took the object for unchanged", async () => {
  const { hub } = await setUp();
  const replacement = hub.replace();
  await replacement.add([pod("a", 3), pod("b", 4), pod("c", 5)]);
  hub.damaged("b");
  replacement.commit(podListHead(12));
  assert.equal(hub.freshness, "empty");
});

Deno.test("replace() makes watchers begin anew when an object that is gone is damaged", async () => {
  const { hub, store } = await setUp();
  const { epoch } = hub.window;
  store.damage(1, "b");
  await relist(hub, [pod("a", 3)], 12);
  assert.deepEqual([hub.freshness, names(hub), events(hub)], ["current", ["a"], []]);
  assert.equal(hub.window.epoch, epoch + 1);
});

Deno.test("Hub tells of every deletion with its version", async () => {
  const deleted: string[] = [];
  const { hub } = await setUp({
    events: { deleted: (_, key, version) => void deleted.push(`${key}@${version}`) },
  });
  change(hub, "DELETED", "a", 11);
  await relist(hub, [pod("c", 15, "u2")], 20);
  assert.deepEqual(deleted, ["a@11", "b@11", "c@11"]);
});

Deno.test.each([
  { version: "5", want: ["a", "b", "c"] },
  { version: "6", want: ["a", "b"] },
])("foundDeleted() at $version leaves $want", async ({ version, want }) => {
  const { hub } = await setUp();
  hub.foundDeleted("c", version);
  assert.deepEqual(names(hub), want);
});

Deno.test("subscribe() calls back on every change until it is told to stop", async () => {
  const { hub } = await setUp();
  let calls = 0;
  const stop = hub.subscribe(() => calls++);
  change(hub, "ADDED", "d", 11);
  hub.bookmark("12");
  await relist(hub, [], 20);
  assert.equal(calls, 3);
  stop();
  hub.bookmark("30");
  assert.equal(calls, 3);
});

Deno.test("CloudModel and Hub agree after a thousand changes", async () => {
  const cloud = new CloudModel();
  const hub = createPodHub(new MemoryStore());
  await relist(hub, [], cloud.version);
  for (let i = 0; i < 1_000; i++) {
    if (i % 3 === 2) cloud.delete(`p${i % 7}`);
    else cloud.apply(`p${i % 11}`);
  }
  for (const event of cloud.events) hub.change({ type: event.type, object: eventObject(event) });
  assert.deepEqual(names(hub), [...cloud.now.keys()].sort());
});

Deno.test("change() of what was emptied meanwhile is no history", async () => {
  const { hub } = await setUp();
  hub.startOver();
  change(hub, "MODIFIED", "a", 12);
  hub.bookmark("13");
  assert.deepEqual([hub.resourceVersion, hub.freshness], ["", "empty"]);
  await relist(hub, [pod("a", 12)], 20);
  assert.deepEqual([hub.window.start, hub.window.covers("5")], ["20", false]);
});
