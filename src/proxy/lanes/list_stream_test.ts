import assert from "node:assert/strict";
import fc from "fast-check";
import {
  createPodHub,
  eventObject,
  podListHead,
  relist,
} from "../../../tests/testing/hub_cloud.ts";
import { MemoryStore } from "../../../tests/testing/memory_store.ts";
import { encode, encodeList, encodeMeta } from "../../../tests/testing/protobuf.ts";
import type { StoredObject } from "../../kube/object_meta.ts";
import { streamList } from "./list_stream.ts";

const pod = (name: string, data: Uint8Array = new Uint8Array(3)) =>
  encode([[1, encodeMeta({ name, resourceVersion: "3" })], [2, data]]);

async function createHub(items: readonly Uint8Array[], sliceRows = 2) {
  const store = new MemoryStore(sliceRows);
  const hub = createPodHub(store, { encoding: "protobuf" });
  await relist(hub, [...items], 10);
  return { hub, store };
}

const five = ["a", "b", "c", "d", "e"].map((name) => pod(name));
const all = { head: podListHead(10), view: {} };
const read = (body: ReadableStream<Uint8Array>) => new Response(body).bytes();

Deno.test("streamList() writes the protobuf list that Go would write, whatever its slices", async () => {
  const sizes = fc.array(fc.nat(40_000), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(
      sizes,
      fc.integer({ min: 1, max: 4 }),
      fc.nat(7),
      async (sizes, rows, skip) => {
        const items = sizes.map((size, i) =>
          pod(`p${String(i).padStart(2, "0")}`, new Uint8Array(size))
        );
        const { hub } = await createHub(items, rows);
        const isWanted = (i: number) => skip === 0 || i % skip !== 0;
        const filter = ({ key }: Pick<StoredObject, "key">) => isWanted(Number(key.slice(1)));
        const body = await read(streamList(hub, { ...all, view: { filter } }));
        const want = encodeList({ resourceVersion: "10" }, items.filter((_, i) => isWanted(i)));
        assert.deepEqual(body, want);
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("streamList() shows one moment in protobuf, whatever changes between measuring and sending", async () => {
  const { hub } = await createHub(five, 1);
  const reader = streamList(hub, all).getReader();
  const parts: Uint8Array[] = [];
  for (let version = 11;; version++) {
    const event = { type: "MODIFIED" as const, name: "e", uid: "x".repeat(version), version };
    hub.change({ type: event.type, object: eventObject(event, "protobuf") });
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
  }
  const body = Uint8Array.from(parts.flatMap((part) => [...part]));
  assert.deepEqual(body, encodeList({ resourceVersion: "10" }, five));
});

Deno.test("streamList() breaks a protobuf list off when an object is damaged, before its first byte", async () => {
  const { hub, store } = await createHub(five);
  store.damage(1, "e");
  const reader = streamList(hub, all).getReader();
  await assert.rejects(reader.read(), /does not match its checksum/);
  assert.equal(hub.freshness, "empty");
});

Deno.test("streamList() gives both its snapshots back when the client goes", async () => {
  for (const reads of [0, 1, 2]) {
    const { hub, store } = await createHub(five);
    const { snapshot } = store;
    let open = 0;
    store.snapshot = (...args) => {
      const inner = snapshot.apply(store, args);
      open++;
      let isOpen = true;
      return {
        next: () => inner.next(),
        [Symbol.dispose]: () => {
          if (isOpen) open--;
          isOpen = false;
          inner[Symbol.dispose]();
        },
      };
    };
    const reader = streamList(hub, all).getReader();
    for (let i = 0; i < reads; i++) await reader.read();
    assert.equal(open, 2);
    await reader.cancel();
    assert.equal(open, 0, `after ${reads} reads`);
  }
});
