import assert from "node:assert/strict";
import type { Json } from "../testing/api_server_contract/scratch.ts";
import { shortForm, WatchReader } from "../testing/api_server_contract/watch_reader.ts";
import { type FakeSite, startFakeSite } from "../testing/fake_site.ts";

// What a client may be told out of something wider that is mirrored for it already.

const METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";

const pod = (namespace: string, name: string, app: string, nodeName = "edge-1") => ({
  metadata: { name, namespace, labels: { app } },
  spec: { nodeName },
  status: { phase: "Running" },
});

/** Pods in two namespaces, one name the beginning of the other, all of them mirrored. */
async function mirrored(site: FakeSite): Promise<void> {
  for (const namespace of ["shop", "shop-test"]) {
    site.cloud.create("namespaces", { metadata: { name: namespace } });
    site.cloud.create("pods", pod(namespace, "web", "web"));
    site.cloud.create("pods", pod(namespace, "db", "db", "edge-2"));
  }
  await get(site, "/api/v1/pods?resourceVersion=0");
}

async function get(site: FakeSite, path: string, accept = "application/json"): Promise<Json> {
  const response = await site.proxy.fetch(path, { headers: { accept } });
  const body = await response.json();
  assert.equal(response.status, 200, JSON.stringify(body));
  return body;
}

async function statusOf(site: FakeSite, path: string, init?: RequestInit): Promise<number> {
  const response = await site.proxy.fetch(path, init);
  await response.body?.cancel();
  return response.status;
}

async function watch(site: FakeSite, path: string, accept = "application/json") {
  const response = await site.proxy.fetch(path, { headers: { accept } });
  assert.equal(response.status, 200);
  return new WatchReader(response);
}

async function cut(site: FakeSite): Promise<void> {
  site.link.set({ state: "refused" });
  await statusOf(site, "/version");
}

const namesOf = ({ items }: Json) =>
  items.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);

Deno.test("what is mirrored answers narrower lists and watches without another watch upstream", async (t) => {
  await using site = await startFakeSite();
  await mirrored(site);
  const cases = [
    { path: "/api/v1/namespaces/shop/pods?", want: ["shop/db", "shop/web"] },
    { path: "/api/v1/pods?labelSelector=app%3Dweb", want: ["shop-test/web", "shop/web"] },
    {
      path: "/api/v1/pods?fieldSelector=spec.nodeName%3Dedge-2",
      want: ["shop-test/db", "shop/db"],
    },
    { path: "/api/v1/namespaces/shop/pods?fieldSelector=metadata.name%3Dweb", want: ["shop/web"] },
  ];
  for (const { path, want } of cases) {
    await t.step(path, async () => {
      const list = await get(site, `${path}&resourceVersion=0`);
      assert.deepEqual([list.kind, namesOf(list)], ["PodList", want]);
      await using initial = await watch(site, `${path}&watch=true&resourceVersion=0`);
      const frames = await initial.take(want.length);
      assert.deepEqual(namesOf({ items: frames.map(({ object }) => object) } as Json), want);
    });
  }
  await t.step("as PartialObjectMetadata", async () => {
    const path = "/api/v1/namespaces/shop/pods?labelSelector=app%3Dweb";
    const list = await get(site, `${path}&resourceVersion=0`, METADATA_LIST);
    const real = await get(site, path, METADATA_LIST); // forwarded
    assert.deepEqual(list, real);
    await using initial = await watch(site, `${path}&watch=true&resourceVersion=0`, METADATA);
    const [frame] = await initial.take(1);
    assert.deepEqual(frame!.object, real.items[0]);
  });
  assert.equal(site.cloud.openWatches, 1);
  assert.equal(site.cloud.audit.count({ verb: "watch", resource: "pods" }), 1);
});

Deno.test("a watch of a part tells what comes into it and what leaves it", async () => {
  await using site = await startFakeSite();
  await mirrored(site);
  const path = "/api/v1/namespaces/shop/pods?labelSelector=app%3Dweb";
  const { metadata } = await get(site, `${path}&resourceVersion=0`);
  const from = `&watch=true&resourceVersion=${metadata.resourceVersion}`;
  await using objects = await watch(site, path + from);
  await using metadataOnly = await watch(site, path + from, METADATA);
  const relabel = (name: string, app: string) =>
    site.cloud.update("pods", { namespace: "shop", name }, (object) => ({
      ...object,
      metadata: { ...object.metadata, labels: { app } },
    }));
  relabel("db", "web");
  relabel("db", "web2");
  const left = relabel("web", "web3");
  site.cloud.create("pods", pod("shop-test", "other", "web"));
  site.cloud.create("pods", pod("shop", "new", "web"));
  site.cloud.delete("pods", { namespace: "shop", name: "new" });
  for (const reader of [objects, metadataOnly]) {
    const frames = await reader.take(5);
    assert.deepEqual(frames.map(shortForm), [
      "ADDED db",
      "DELETED db",
      "DELETED web",
      "ADDED new",
      "DELETED new",
    ]);
    const { object } = frames[2]!;
    // The state that still matched, at the version of the change.
    assert.deepEqual(object.metadata.labels, { app: "web" });
    assert.equal(object.metadata.resourceVersion, left.metadata.resourceVersion);
    assert.equal(object.kind, reader === objects ? "Pod" : "PartialObjectMetadata");
  }
  assert.equal(site.cloud.openWatches, 1);
});

Deno.test("what only the cloud can choose by has a scope of its own", async () => {
  await using site = await startFakeSite();
  await mirrored(site);
  assert.equal(
    await statusOf(site, "/api/v1/pods?resourceVersion=0&fieldSelector=spec.size%3D1"),
    400,
  );
  assert.equal(await statusOf(site, "/api/v1/pods?resourceVersion=0&labelSelector=%21%21"), 400);
});

Deno.test("S14 what is mirrored for one caller answers no other", async () => {
  await using site = await startFakeSite({
    cloud: { tokens: { pod: "system:serviceaccount:a:b" } },
  });
  await mirrored(site);
  const bearer = { as: null, headers: { authorization: "Bearer pod" } };
  const path = "/api/v1/namespaces/shop/pods";
  assert.equal(await statusOf(site, path, bearer), 200); // forwarded: the cloud knows the token
  const before = site.cloud.audit.count({ verb: "list", resource: "pods" });
  assert.equal(await statusOf(site, `${path}?resourceVersion=0&labelSelector=app`, bearer), 200);
  assert.equal(site.cloud.audit.count({ verb: "list", resource: "pods" }), before + 1);
});

Deno.test("S04 a path that the API has not is 404, not an empty part of what is mirrored", async () => {
  await using site = await startFakeSite();
  site.cloud.create("nodes", { metadata: { name: "edge-1" } });
  await get(site, "/api/v1/nodes?resourceVersion=0");
  const inside = "/api/v1/namespaces/shop/nodes?resourceVersion=0";
  assert.equal(await statusOf(site, inside), 404);
  await cut(site);
  assert.equal(await statusOf(site, inside), 504);
});

Deno.test("an empty namespace of something mirrored is empty once discovery says that there are any", async () => {
  await using site = await startFakeSite();
  await get(site, "/api/v1/pods?resourceVersion=0");
  await get(site, "/api/v1");
  await cut(site);
  const { items } = await get(site, "/api/v1/namespaces/shop/pods?resourceVersion=0");
  assert.deepEqual(items, []);
  // Without a word about it nobody knows.
  assert.equal(await statusOf(site, "/apis/apps/v1/namespaces/shop/deployments"), 504);
});

Deno.test("S13 a watch of a Table goes on as one of plain objects link-down", async () => {
  await using site = await startFakeSite();
  await mirrored(site);
  await cut(site);
  const path = "/api/v1/namespaces/shop/pods?watch=true";
  await using plain = await watch(site, path, `${TABLE},application/json`);
  assert.deepEqual((await plain.take(2)).map(shortForm), ["ADDED db", "ADDED web"]);
  assert.equal(await statusOf(site, path, { headers: { accept: TABLE } }), 504);
  // Mirrored, so it lives on.
  site.link.set({ state: "up" });
  site.cloud.create("pods", pod("shop", "late", "web"));
  assert.deepEqual((await plain.take(1)).map(shortForm), ["ADDED late"]);
});

Deno.test("a watch of what nobody mirrors ends when the link is back", async () => {
  await using site = await startFakeSite();
  for (const name of ["a", "b"]) site.cloud.create("pods", pod("default", name, "web"));
  await get(site, "/api/v1/pods"); // forwarded, and kept
  await cut(site);
  const path = "/api/v1/namespaces/default/pods?watch=true";
  await using held = await watch(site, path);
  assert.deepEqual((await held.take(2)).map(shortForm), ["ADDED a", "ADDED b"]);
  site.link.set({ state: "up" });
  assert.deepEqual(await held.rest(), []);
});

Deno.test("S07 pages begun link-down go on in the cloud, and the other way round", async () => {
  await using site = await startFakeSite();
  for (const name of ["a", "b", "c", "d", "e"]) {
    site.cloud.create("pods", pod("default", name, "x"));
  }
  const path = "/api/v1/namespaces/default/pods";
  await get(site, `${path}?resourceVersion=0`);
  const next = ({ metadata }: Json) =>
    `${path}?limit=2&continue=${encodeURIComponent(metadata.continue ?? "")}`;
  const online = await get(site, `${path}?limit=2`);
  await cut(site);
  const first = await get(site, `${path}?limit=2`);
  assert.deepEqual(namesOf(first), ["default/a", "default/b"]);
  assert.equal(first.metadata.remainingItemCount, 3);
  // The cloud's token: 410, and a way to the rest as the node knows it.
  const refused = await site.proxy.fetch(next(online));
  const status = await refused.json();
  assert.deepEqual([refused.status, status.reason], [410, "Expired"]);
  assert.deepEqual(namesOf(await get(site, next(status))), ["default/c", "default/d"]);
  assert.equal(await statusOf(site, `${path}?continue=abc`), 400);
  site.link.set({ state: "up" });
  site.cloud.delete("pods", { namespace: "default", name: "c" });
  await using lives = await watch(site, `${path}?watch=true&resourceVersion=0`);
  await lives.take(4);
  // At the version of the first page, which only the cloud still has.
  const second = await get(site, next(first));
  assert.deepEqual(namesOf(second), ["default/c", "default/d"]);
  assert.deepEqual(namesOf(await get(site, next(second))), ["default/e"]);
});

Deno.test("a list of the past does not become what is known", async () => {
  await using site = await startFakeSite();
  const path = "/api/v1/namespaces/default/pods";
  const { metadata } = site.cloud.create("pods", pod("default", "a", "x"));
  site.cloud.create("pods", pod("default", "b", "x"));
  await get(site, path);
  const past = `resourceVersion=${metadata.resourceVersion}&resourceVersionMatch=Exact`;
  assert.deepEqual(namesOf(await get(site, `${path}?${past}`)), ["default/a"]);
  await cut(site);
  assert.deepEqual(namesOf(await get(site, path)), ["default/a", "default/b"]);
  assert.equal(await statusOf(site, `${path}?${past}`), 410);
});
