import assert from "node:assert/strict";
import fc from "fast-check";
import { text, utf8 } from "../../../tests/testing/arbitraries.ts";
import { createPodHub, eventObject, relist } from "../../../tests/testing/hub_cloud.ts";
import { MemoryStore } from "../../../tests/testing/memory_store.ts";
import type { Hub } from "../hub/hub.ts";
import { parseContinue } from "./continue_token.ts";
import { listHub, listNextPage, type ListOptions } from "./list_response.ts";

const pod = (name: string, namespace = "ns") =>
  utf8(JSON.stringify({ metadata: { name, namespace, resourceVersion: "3" } }));

async function createHub(items: Uint8Array[], sliceRows = 2) {
  const store = new MemoryStore(sliceRows);
  const hub = createPodHub(store);
  await relist(hub, items, 10);
  return { hub, store };
}

const five = ["a", "b", "c", "d", "e"].map((name) => pod(name));

interface Listed {
  names: string[];
  resourceVersion: string;
  token: string;
}

async function read(response: Response): Promise<Listed> {
  assert.equal(response.status, 200);
  const { kind, apiVersion, items, metadata } = await response.json();
  assert.deepEqual([kind, apiVersion], ["PodList", "v1"]);
  return {
    names: items.map((item: { metadata: { name: string } }) => item.metadata.name),
    resourceVersion: metadata.resourceVersion,
    token: metadata.continue ?? "",
  };
}

/** Follows the pages to the end. */
async function pages(hub: Hub, options: ListOptions): Promise<Listed[]> {
  const all = [await read(listHub(hub, options))];
  while (all.at(-1)!.token !== "") {
    all.push(await read(listNextPage(hub, parseContinue(all.at(-1)!.token)!, options)));
  }
  return all;
}

Deno.test("listHub() streams every object with the hub's version", async () => {
  const { hub } = await createHub(five);
  hub.bookmark("15");
  const { names, resourceVersion, token } = await read(listHub(hub, { limit: 0 }));
  assert.deepEqual([names, resourceVersion, token], [["a", "b", "c", "d", "e"], "15", ""]);
});

Deno.test("listHub() writes the bytes of the objects as they came", async () => {
  const odd = utf8('{ "metadata":{"name":"a","resourceVersion":"3"}, "x": 1.0e2 }');
  const { hub } = await createHub([odd]);
  assert.ok((await listHub(hub, { limit: 0 }).text()).includes(text(odd)));
});

Deno.test.each([0, 2])(
  "listHub() is an empty list when there is nothing, with a limit of %d",
  async (limit) => {
    const { hub } = await createHub([]);
    assert.deepEqual(await read(listHub(hub, { limit })), {
      names: [],
      resourceVersion: "10",
      token: "",
    });
  },
);

Deno.test("listHub() shows one moment, whatever changes while it is read", async () => {
  const { hub } = await createHub(five);
  const response = listHub(hub, { limit: 0 });
  const type = "ADDED" as const;
  hub.change({ type, object: eventObject({ type, name: "f", uid: "", version: 11 }) });
  const { names, resourceVersion } = await read(response);
  assert.deepEqual([names.length, resourceVersion], [5, "10"]);
});

Deno.test("listHub() leaves out what the filter leaves out", async () => {
  const { hub } = await createHub(five);
  const filter = ({ key }: { key: string }) => key === "ns/e" || key === "ns/b";
  assert.deepEqual((await read(listHub(hub, { limit: 0, filter }))).names, ["b", "e"]);
  assert.deepEqual((await read(listHub(hub, { limit: 0, filter: () => false }))).names, []);
  assert.deepEqual((await pages(hub, { limit: 1, filter })).map(({ names }) => names), [
    ["b"],
    ["e"],
  ]);
});

Deno.test("listHub() shows one namespace of many when it is given its range", async () => {
  const { hub } = await createHub([pod("x", "a"), pod("y", "a-b"), pod("z", "a"), pod("q", "b")]);
  const range = { after: "a/", before: "a0" };
  assert.deepEqual((await read(listHub(hub, { limit: 0, range }))).names, ["x", "z"]);
  assert.deepEqual((await pages(hub, { limit: 1, range })).map(({ names }) => names), [["x"], [
    "z",
  ]]);
});

Deno.test("listNextPage() leads through all objects, each once, at one version", async () => {
  await fc.assert(fc.asyncProperty(
    fc.integer({ min: 0, max: 12 }),
    fc.integer({ min: 1, max: 5 }),
    fc.integer({ min: 1, max: 4 }),
    async (count, limit, sliceRows) => {
      const names = Array.from({ length: count }, (_, i) => `p${String(i).padStart(2, "0")}`);
      const { hub } = await createHub(names.map((name) => pod(name)), sliceRows);
      const all = await pages(hub, { limit });
      assert.deepEqual(all.flatMap((page) => page.names), names);
      assert.equal(all.length, Math.max(1, Math.ceil(count / limit)));
      for (const page of all) assert.equal(page.resourceVersion, "10");
    },
  ));
});

Deno.test("listNextPage() stays at the version of the first page when only a bookmark came", async () => {
  const { hub } = await createHub(five);
  const { token } = await read(listHub(hub, { limit: 2 }));
  hub.bookmark("99");
  const second = await read(listNextPage(hub, parseContinue(token)!, { limit: 2 }));
  assert.deepEqual([second.names, second.resourceVersion], [["c", "d"], "10"]);
  const third = await read(listNextPage(hub, parseContinue(second.token)!, { limit: 2 }));
  assert.deepEqual([third.names, third.resourceVersion], [["e"], "10"]);
});

Deno.test("listNextPage() is 410 Expired when an object changed since", async () => {
  const { hub } = await createHub(five);
  const { token } = await read(listHub(hub, { limit: 2 }));
  const type = "DELETED" as const;
  hub.change({ type, object: eventObject({ type, name: "e", uid: "", version: 11 }) });
  const response = listNextPage(hub, parseContinue(token)!, { limit: 2 });
  assert.equal(response.status, 410);
  const { reason, metadata } = await response.json();
  assert.equal(reason, "Expired");
  const rest = await read(listNextPage(hub, parseContinue(metadata.continue)!, { limit: 0 }));
  assert.deepEqual([rest.names, rest.resourceVersion], [["c", "d", "e"], "11"]);
});

Deno.test("listHub() tells how many objects remain, but not where a filter leaves some out", async () => {
  const { hub } = await createHub([...five, pod("a", "other")]);
  const range = { after: "ns/", before: "ns0" };
  const remaining = async (options: ListOptions) =>
    (await listHub(hub, options).json()).metadata.remainingItemCount;
  assert.equal(await remaining({ limit: 2, range }), 3);
  assert.equal(await remaining({ limit: 2 }), 4);
  assert.equal(await remaining({ limit: 5, range }), undefined);
  assert.equal(await remaining({ limit: 2, filter: () => true }), undefined);
});

Deno.test("listHub() shows the metadata of objects as a list of its own kind", async () => {
  const { hub } = await createHub(five);
  const list = await listHub(hub, { limit: 1, show: "metadata" }).json();
  assert.equal(list.kind, "PartialObjectMetadataList");
  assert.equal(list.apiVersion, "meta.k8s.io/v1");
  assert.deepEqual(list.items, [{
    kind: "PartialObjectMetadata",
    apiVersion: "meta.k8s.io/v1",
    metadata: { name: "a", namespace: "ns", resourceVersion: "3" },
  }]);
});

Deno.test("listNextPage() never shows another namespace, whatever the token says", async () => {
  const { hub } = await createHub([pod("x", "a"), pod("y", "b")]);
  const token = { resourceVersion: "10", after: "a" };
  const range = { after: "b/", before: "b0" };
  assert.deepEqual((await read(listNextPage(hub, token, { limit: 5, range }))).names, ["y"]);
});

Deno.test("listHub() is 504 when the first objects are damaged, and the list is fetched anew", async () => {
  const { hub, store } = await createHub(five);
  store.damage(1, "ns/a");
  assert.equal(listHub(hub, { limit: 0 }).status, 504);
  assert.equal(hub.freshness, "empty");
});

Deno.test("listHub() breaks its body off when a later object is damaged: never a shorter list", async () => {
  const { hub, store } = await createHub(five);
  store.damage(1, "ns/e");
  const response = listHub(hub, { limit: 0 });
  assert.equal(response.status, 200);
  await assert.rejects(response.text());
  assert.equal(hub.freshness, "empty");
});

Deno.test("listHub() gives its snapshot back when the client goes in the middle", async () => {
  const { hub, store } = await createHub(five);
  const { snapshot } = store;
  let open = 0;
  store.snapshot = (...args) => {
    const inner = snapshot.apply(store, args);
    open++;
    return {
      next: () => inner.next(),
      [Symbol.dispose]: () => void open--,
    };
  };
  const reader = listHub(hub, { limit: 0 }).body!.getReader();
  await reader.read();
  assert.equal(open, 1);
  await reader.cancel();
  assert.equal(open, 0);
});
