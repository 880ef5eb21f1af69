import assert from "node:assert/strict";
import { ACCEPT, assertStatus, decode, type Decoded, namesOf } from "./compare.ts";
import { linkIs } from "./outage.ts";
import { type FetchPath, shareCloud } from "./site.ts";

const scenario = await shareCloud();

const REPRESENTATIONS = ["object", "metadata", "table"] as const;

const MANY = Array.from({ length: 1_200 }, (_, i) => `map-${String(i).padStart(4, "0")}`);

/** Every page of a list, as kubectl and client-go's pager ask for them. */
async function pages(
  fetchPath: FetchPath,
  path: string,
  accept: string = ACCEPT.object,
): Promise<Decoded[]> {
  const all: Decoded[] = [];
  for (let token = "";;) {
    const query = `limit=500${token && `&continue=${encodeURIComponent(token)}`}`;
    const page = await decode(fetchPath, `${path}?${query}`, accept);
    assert.equal(page.status, 200, JSON.stringify(page.body).slice(0, 300));
    all.push(page);
    token = page.body.metadata.continue ?? "";
    if (token === "") return all;
  }
}

scenario("S07 1,200 objects listed in pages are 1,200 link-down", async (site) => {
  await site.createMany(MANY);
  const proxy = await site.proxy();
  const path = site.path("configmaps");
  const online: Record<string, Decoded[]> = {};
  for (const as of REPRESENTATIONS) {
    online[as] = await pages(proxy.fetch, path, ACCEPT[as]);
    assert.deepEqual(online[as].map(({ body }) => namesOf(body).length), [500, 500, 200], as);
  }
  await site.cluster.link.refuse();
  for (const as of REPRESENTATIONS) {
    const whole = await decode(proxy.fetch, path, ACCEPT[as]);
    assert.deepEqual(namesOf(whole.body), MANY, as);
    const offline = await pages(proxy.fetch, path, ACCEPT[as]);
    assert.deepEqual(offline.map(({ body }) => namesOf(body).length), [500, 500, 200], as);
    assert.deepEqual(offline.flatMap(({ body }) => namesOf(body)), MANY, as);
    const [versions, wanted] = [offline, online[as]!].map((list) =>
      list.map(({ body }) => body.metadata.resourceVersion)
    );
    assert.deepEqual(versions, wanted, as);
    // A token that the cloud gave is of no use to anybody but the cloud.
    const token = encodeURIComponent(online[as]![0]!.body.metadata.continue!);
    const next = await decode(proxy.fetch, `${path}?limit=500&continue=${token}`, ACCEPT[as]);
    assertStatus(next, 410, "Expired", as);
  }
});

scenario("S07 1,200 mirrored objects are 1,200 link-down, also after a restart", async (site) => {
  await site.createMany(MANY);
  const stateDir = await site.directory();
  const path = site.path("configmaps");
  const first = await site.proxy({}, { stateDir });
  assert.deepEqual(namesOf((await decode(first.fetch, `${path}?resourceVersion=0`)).body), MANY);
  await site.cluster.link.refuse();
  const offline = async (proxy: typeof first) => {
    for (const query of ["", "?resourceVersion=0", "?resourceVersion=0&limit=500"]) {
      assert.deepEqual(namesOf((await decode(proxy.fetch, path + query)).body), MANY, query);
    }
    const list = await pages(proxy.fetch, path);
    assert.deepEqual(list.flatMap(({ body }) => namesOf(body)), MANY);
  };
  await offline(first);
  await first.stop();
  await offline(await site.proxy({}, { stateDir }));
});

scenario("S07 pages begun link-down go on in the cloud, at the same version", async (site) => {
  await site.createMany(MANY.slice(0, 12));
  const proxy = await site.proxy();
  const path = site.path("configmaps");
  await decode(proxy.fetch, `${path}?resourceVersion=0`);
  await site.cluster.link.refuse();
  const first = await decode(proxy.fetch, `${path}?limit=5`);
  assert.equal(first.body.metadata.remainingItemCount, 7);
  await site.cluster.link.restore();
  await linkIs(proxy, "up");
  await site.remove(MANY[6]!);
  const token = encodeURIComponent(first.body.metadata.continue!);
  const rest = await decode(proxy.fetch, `${path}?continue=${token}`);
  assert.deepEqual(namesOf(rest.body), MANY.slice(5, 12));
  assert.equal(rest.body.metadata.resourceVersion, first.body.metadata.resourceVersion);
});

scenario("S07 a list of which the last page never came is no list", async (site) => {
  await site.createMany(MANY.slice(0, 12));
  const proxy = await site.proxy();
  const path = site.path("configmaps");
  const first = await decode(proxy.fetch, `${path}?limit=5`);
  const token = encodeURIComponent(first.body.metadata.continue!);
  await decode(proxy.fetch, `${path}?limit=5&continue=${token}`);
  await site.cluster.link.refuse();
  assertStatus(await decode(proxy.fetch, path), 504, "Timeout");
});

scenario("S07 kubectl pages through a Table of 1,200 rows link-down", async (site) => {
  await site.createMany(MANY);
  const proxy = await site.proxy({ prefetch: "discovery" });
  const kubeconfig = proxy.kubeconfig("admin");
  const get = async (...more: string[]) => {
    const args = ["get", "configmaps", "-n", site.namespace, "--no-headers", ...more];
    const { stdout } = await site.cluster.kubectl(args, { kubeconfig });
    return stdout.trim().split("\n").map((line) => line.split(/\s+/)[0]);
  };
  assert.deepEqual(await get(), MANY);
  await site.cluster.link.refuse();
  assert.deepEqual(await get(), MANY);
  assert.deepEqual(await get("--chunk-size=100"), MANY);
  assert.deepEqual(await get("--chunk-size=0"), MANY);
});
