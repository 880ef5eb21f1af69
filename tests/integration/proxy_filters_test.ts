import assert from "node:assert/strict";
import type { Json } from "../testing/api_server_contract/scratch.ts";
import { shortForm, WatchReader } from "../testing/api_server_contract/watch_reader.ts";
import { type FakeSite, NODE_TOKEN, startFakeSite } from "../testing/fake_site.ts";

// What kube-proxy is shown of the cluster's DNS Service, and that all of its answers agree.

const SLICES = "/apis/discovery.k8s.io/v1/endpointslices";
const PROTOBUF = "application/vnd.kubernetes.protobuf";
const METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";
const LOCAL = ["169.254.20.10"];

const slice = (namespace: string, service: string, address: string) => ({
  metadata: {
    name: `${service}-x`,
    namespace,
    labels: { "kubernetes.io/service-name": service, tier: "a" },
  },
  addressType: "IPv4",
  endpoints: [{ addresses: [address], conditions: { ready: true }, nodeName: "cloud-1" }],
  ports: [{ name: "dns", port: 53, protocol: "UDP" }],
});

/** A cloud with the slices of some Services, and a proxy of two identities. */
async function start(filters: Record<string, unknown> = { localDns: {} }): Promise<FakeSite> {
  const tokenFile = await Deno.makeTempFile();
  await Deno.writeTextFile(tokenFile, NODE_TOKEN);
  const identities = ["kube-proxy", "coredns"].map((name) => ({ name, tokenFile }));
  const site = await startFakeSite({ section: { identities, filters } });
  site.cloud.create("endpointslices", slice("kube-system", "kube-dns", "10.244.0.2"));
  site.cloud.create("endpointslices", slice("kube-system", "metrics", "10.244.0.3"));
  site.cloud.create("endpointslices", slice("default", "kube-dns", "10.244.0.4"));
  return site;
}

/** The cloud's slice of kube-dns gets other endpoints. */
function change(site: FakeSite, address: string): void {
  site.cloud.update(
    "endpointslices",
    { namespace: "kube-system", name: "kube-dns-x" },
    (known) => ({
      ...known,
      endpoints: [{ addresses: [address], conditions: { ready: true } }],
    }),
  );
}

interface Asked {
  as?: string;
  accept?: string;
}

async function ask(site: FakeSite, path: string, { as, accept }: Asked = {}): Promise<Response> {
  return await site.proxy.fetch(path, {
    as,
    headers: { accept: accept ?? `${PROTOBUF},application/json` },
  });
}

async function get(site: FakeSite, path: string, asked?: Asked): Promise<Json> {
  const response = await ask(site, path, asked);
  const body = await response.json();
  assert.equal(response.status, 200, JSON.stringify(body));
  assert.equal(response.headers.get("content-type")?.split(";")[0], "application/json");
  return body;
}

async function watch(site: FakeSite, query: string, asked?: Asked): Promise<WatchReader> {
  const response = await ask(site, `${SLICES}?watch=true&${query}`, asked);
  assert.equal(response.status, 200);
  return new WatchReader(response);
}

async function cut(site: FakeSite): Promise<void> {
  site.link.set({ state: "refused" });
  await (await site.proxy.fetch("/version")).body?.cancel();
}

// deno-lint-ignore no-explicit-any
const addressesOf = (object: any): string[] =>
  // deno-lint-ignore no-explicit-any
  object.endpoints.flatMap(({ addresses }: any) => addresses);

/** Addresses by namespace and name. */
const inList = ({ items }: Json) =>
  Object.fromEntries(
    items.map((item) => [`${item.metadata.namespace}/${item.metadata.name}`, addressesOf(item)]),
  );

const WANT = {
  "default/kube-dns-x": ["10.244.0.4"],
  "kube-system/kube-dns-x": LOCAL,
  "kube-system/metrics-x": ["10.244.0.3"],
};

const ONE = "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices/kube-dns-x";

/** Every way to read the slices. */
async function readAll(t: Deno.TestContext, site: FakeSite, when: string): Promise<void> {
  for (const query of ["", "?resourceVersion=0", "?labelSelector=tier%3Da", "?limit=500"]) {
    await t.step(`LIST ${query} ${when}`, async () => {
      assert.deepEqual(inList(await get(site, SLICES + query)), WANT);
    });
  }
  await t.step(`LIST of a namespace ${when}`, async () => {
    const path = "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices";
    const { "default/kube-dns-x": _, ...want } = WANT;
    assert.deepEqual(inList(await get(site, path)), want);
  });
  await t.step(`GET ${when}`, async () => {
    assert.deepEqual(addressesOf(await get(site, ONE)), LOCAL);
  });
  for (
    const query of [
      "resourceVersion=0",
      "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
    ]
  ) {
    await t.step(`WATCH ${query} ${when}`, async () => {
      await using initial = await watch(site, query);
      const frames = await initial.take(3);
      assert.deepEqual(inList({ items: frames.map(({ object }) => object) } as Json), WANT);
    });
  }
  await t.step(`the other identity sees what there is ${when}`, async () => {
    const seen = inList(await get(site, `${SLICES}?resourceVersion=0`, { as: "coredns" }));
    assert.deepEqual(seen, { ...WANT, "kube-system/kube-dns-x": ["10.244.0.2"] });
  });
}

Deno.test("localDns: every answer shows the DNS Service's slice alike, link up, down and after a restart", async (t) => {
  await using site = await start();
  await readAll(t, site, "link up");
  await cut(site);
  await readAll(t, site, "link down");
  await site.restart();
  await cut(site);
  await readAll(t, site, "restarted link-down");
});

Deno.test("localDns: events show the slice as the list did, under its own resourceVersion", async () => {
  await using site = await start();
  const { metadata } = await get(site, `${SLICES}?resourceVersion=0`);
  const query = `resourceVersion=${metadata.resourceVersion}`;
  await using filtered = await watch(site, query);
  await using whole = await watch(site, query, { as: "coredns" });
  change(site, "10.244.0.9");
  const [[shown], [real]] = await Promise.all([filtered.take(1), whole.take(1)]);
  assert.equal(shortForm(shown!), "MODIFIED kube-dns-x");
  assert.deepEqual(shown!.object.metadata, real!.object.metadata);
  assert.deepEqual([shown, real].map((each) => addressesOf(each!.object)), [LOCAL, ["10.244.0.9"]]);
  site.cloud.delete("endpointslices", { namespace: "kube-system", name: "kube-dns-x" });
  assert.equal(shortForm((await filtered.take(1))[0]!), "DELETED kube-dns-x");
  assert.ok(await site.proxy.metric("edge_agent_proxy_filtered_objects_total") > 0);
});

Deno.test("localDns: what is not changed is passed on byte for byte", async () => {
  await using site = await start();
  site.cloud.delete("endpointslices", { namespace: "kube-system", name: "kube-dns-x" });
  const of = async (path: string, as: string) => await (await ask(site, path, { as })).text();
  for (const path of [SLICES, `${SLICES}?resourceVersion=0`, ONE, "/api/v1/namespaces"]) {
    assert.equal(await of(path, "kube-proxy"), await of(path, "coredns"), path);
  }
});

Deno.test("localDns: metadata and Tables are as they are, and what is no JSON is declined", async () => {
  await using site = await start();
  const seen = async (as: string, accept: string) =>
    await (await ask(site, SLICES, { as, accept })).text();
  for (const accept of [METADATA_LIST, `${TABLE},application/json`]) {
    assert.equal(await seen("kube-proxy", accept), await seen("coredns", accept), accept);
  }
  for (const accept of [PROTOBUF, "application/cbor", "application/yaml"]) {
    const response = await ask(site, SLICES, { accept });
    assert.equal(response.status, 406, accept);
    await response.body?.cancel();
  }
});

/** What a watch that goes on from a version is told first, while the slice gets another endpoint. */
async function goOn(
  site: FakeSite,
  resourceVersion: string,
  address: string,
): Promise<string> {
  const accept = "application/json";
  await using resumed = await watch(site, `resourceVersion=${resourceVersion}`, { accept });
  change(site, address);
  const [frame] = await resumed.take(1);
  const { type, object } = frame!;
  return type === "ERROR" ? `ERROR ${object.code}` : `${type} ${addressesOf(object)}`;
}

Deno.test("localDns: after a change of the config whoever goes on is told to list anew, once", async (t) => {
  await using site = await start({});
  const list = async () => {
    const found = await get(site, `${SLICES}?resourceVersion=0`);
    return {
      resourceVersion: found.metadata.resourceVersion!,
      addresses: inList(found)["kube-system/kube-dns-x"],
    };
  };
  let { resourceVersion } = await list();
  assert.equal(await goOn(site, resourceVersion, "10.244.1.0"), "MODIFIED 10.244.1.0");
  const steps = [
    { filters: { localDns: {} }, shown: "169.254.20.10" },
    { filters: { localDns: { address: "169.254.25.10" } }, shown: "169.254.25.10" },
    { filters: {}, shown: undefined },
  ];
  let count = 0;
  for (const { filters, shown } of steps) {
    await t.step(JSON.stringify(filters), async () => {
      await site.restart(() => void (site.section.filters = filters));
      await site.restart();
      for (const version of [resourceVersion, "1"]) {
        assert.equal(await goOn(site, version, `10.244.2.${++count}`), "ERROR 410");
      }
      const address = `10.244.2.${count}`;
      const now = await list();
      assert.deepEqual(now.addresses, [shown ?? address]);
      resourceVersion = now.resourceVersion;
      for (let restarts = 0; restarts < 2; restarts++) {
        const next = `10.244.2.${++count}`;
        assert.equal(await goOn(site, resourceVersion, next), `MODIFIED ${shown ?? next}`);
        await site.restart();
        resourceVersion = (await list()).resourceVersion;
      }
    });
  }
});
