import assert from "node:assert/strict";
import type { Json } from "../testing/api_server_contract/scratch.ts";
import { until } from "../cluster/poll.ts";
import { type FakeSite, startFakeSite } from "../testing/fake_site.ts";

// What a GET says link-down: the newest that anything online has told.

const PATH = "/api/v1/namespaces/default/configmaps";
const METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

const configMap = (name: string, value = "1") => ({
  metadata: { name, namespace: "default" },
  data: { value },
});

async function cut(site: FakeSite): Promise<void> {
  site.link.set({ state: "refused" });
  await status(site, "/version");
}

async function status(site: FakeSite, path: string, init?: RequestInit): Promise<number> {
  const response = await site.proxy.fetch(path, init);
  await response.body?.cancel();
  return response.status;
}

async function get(site: FakeSite, name: string, accept = "application/json"): Promise<Json> {
  const response = await site.proxy.fetch(`${PATH}/${name}`, { headers: { accept } });
  assert.equal(response.status, 200);
  return await response.json();
}

Deno.test("S04 GET gives what a client's own write made of the object", async () => {
  await using site = await startFakeSite();
  for (const name of ["put", "patched", "unread"]) site.cloud.create("configmaps", configMap(name));
  for (const name of ["put", "patched"]) await get(site, name);
  const patch = {
    method: "PATCH",
    headers: { "content-type": "application/merge-patch+json" },
    body: JSON.stringify({ data: { value: "2" } }),
  };
  assert.equal(await status(site, `${PATH}/patched`, patch), 200);
  assert.equal(await status(site, `${PATH}/unread`, patch), 200);
  const { metadata } = await get(site, "put");
  const body = JSON.stringify({ ...configMap("put", "2"), metadata });
  assert.equal(await status(site, `${PATH}/put`, { method: "PUT", body }), 200);
  await cut(site);
  for (const name of ["put", "patched"]) {
    const object = await get(site, name);
    assert.deepEqual(object.data, { value: "2" }, name);
    assert.deepEqual([object.kind, object.apiVersion], ["ConfigMap", "v1"]);
  }
  // Nobody has ever read it: it is not worth keeping.
  assert.equal(await status(site, `${PATH}/unread`), 504);
});

Deno.test("S03 GET does not bring back what a DELETE or a 404 has shown to be gone", async () => {
  await using site = await startFakeSite();
  for (const name of ["deleted", "missing", "stays"]) {
    site.cloud.create("configmaps", configMap(name));
    await get(site, name);
  }
  // A list that passes by holds all three.
  assert.equal(await status(site, PATH), 200);
  assert.equal(await status(site, `${PATH}/deleted`, { method: "DELETE" }), 200);
  site.cloud.delete("configmaps", { namespace: "default", name: "missing" });
  assert.equal(await status(site, `${PATH}/missing`), 404);
  await cut(site);
  assert.equal(await status(site, `${PATH}/deleted`), 504);
  assert.equal(await status(site, `${PATH}/missing`), 504);
  assert.equal(await status(site, `${PATH}/stays`), 200);
  const { items } = await (await site.proxy.fetch(PATH)).json() as Json;
  assert.deepEqual(items.map(({ metadata }) => metadata.name), ["stays"]);
});

Deno.test("S03 GET does not give what a later list has not", async () => {
  await using site = await startFakeSite();
  for (const name of ["gone", "stays"]) {
    site.cloud.create("configmaps", configMap(name));
    await get(site, name);
  }
  site.cloud.delete("configmaps", { namespace: "default", name: "gone" });
  assert.equal(await status(site, `${PATH}?labelSelector=x`), 200);
  await cut(site);
  // A list of some proves nothing.
  assert.equal(await status(site, `${PATH}/gone`), 200);
  site.link.set({ state: "up" });
  await until("the link", async () => await status(site, "/healthz") === 200);
  assert.equal(await status(site, PATH), 200);
  await cut(site);
  assert.equal(await status(site, `${PATH}/gone`), 504);
  assert.equal(await status(site, `${PATH}/stays`), 200);
});

Deno.test("S06 GET of metadata is cut out of the object, and never the other way round", async () => {
  await using site = await startFakeSite();
  site.cloud.create("configmaps", configMap("a"));
  site.cloud.create("configmaps", configMap("b"));
  const { metadata } = await get(site, "a");
  await get(site, "b", METADATA);
  await cut(site);
  assert.deepEqual(await get(site, "a", METADATA), {
    kind: "PartialObjectMetadata",
    apiVersion: "meta.k8s.io/v1",
    metadata,
  } as unknown as Json);
  assert.equal(await status(site, `${PATH}/b`), 504);
});

Deno.test("S06 GET of metadata comes from mirrored objects too", async () => {
  await using site = await startFakeSite();
  const { metadata } = site.cloud.create("configmaps", configMap("a"));
  assert.equal(await status(site, `${PATH}?resourceVersion=0`), 200);
  await cut(site);
  const object = await get(site, "a", METADATA);
  assert.deepEqual([object.kind, object.metadata], ["PartialObjectMetadata", metadata]);
});

Deno.test("HEAD is answered by the cloud or not at all", async () => {
  await using site = await startFakeSite();
  site.cloud.create("configmaps", configMap("a"));
  await get(site, "a");
  await cut(site);
  assert.equal(await status(site, `${PATH}/a`, { method: "HEAD" }), 504);
});
