import assert from "node:assert/strict";
import { createCa } from "../../../src/kube/pki.ts";
import { Authority } from "../certs.ts";
import { until } from "../poll.ts";
import { ACCEPT, assertSame, decode, namesOf } from "./compare.ts";
import { throughMiddlebox } from "./middlebox.ts";
import { linkIs } from "./outage.ts";
import { PATIENCE_MS, shareCloud, type Site } from "./site.ts";
import { WATCH_LIST, WatchClient } from "./watch_client.ts";

const scenario = await shareCloud();

for (const code of [502, 503, 504]) {
  scenario(`S11 a middlebox's ${code} uses the cache`, async (site) => {
    for (const name of ["a", "b"]) await site.create(name);
    const { box, proxy } = await throughMiddlebox(site);
    const path = site.path("configmaps");
    const before = {
      list: await decode(proxy.fetch, path),
      get: await decode(proxy.fetch, `${path}/a`),
      table: await decode(proxy.fetch, path, ACCEPT.table),
    };
    await using watch = await WatchClient.open(proxy.fetch, `${path}?watch=true`);
    await watch.sees("ADDED", "b");
    box.spoil = () => ({ kind: "status", code });
    const after = {
      list: await decode(proxy.fetch, path),
      get: await decode(proxy.fetch, `${path}/a`),
      table: await decode(proxy.fetch, path, ACCEPT.table),
      mirrored: await decode(proxy.fetch, `${path}?resourceVersion=0`),
    };
    assertSame(after.list, before.list, "LIST");
    assertSame(after.mirrored, before.list, "LIST resourceVersion=0");
    assertSame(after.get, before.get, "GET");
    assertSame(after.table, before.table, "Table");
    for (const { age } of [after.list, after.get, after.table]) assert.ok(age !== null);
    assert.equal((await decode(proxy.fetch, site.path("secrets"))).status, 504);
    box.spoil = () => undefined;
    await site.create("c");
    await watch.sees("ADDED", "c");
    assert.equal(watch.state, "open");
  });
}

scenario("S11 a middlebox that spoils one path does not take the link down", async (site) => {
  for (const name of ["a", "b"]) await site.create(name);
  const { box, proxy } = await throughMiddlebox(site);
  const path = site.path("configmaps");
  await decode(proxy.fetch, `${path}/a`);
  await decode(proxy.fetch, `${path}?resourceVersion=0`);
  box.spoil = (asked) => asked.startsWith(`${path}?`) ? { kind: "status", code: 503 } : undefined;
  assert.ok((await decode(proxy.fetch, `${path}?limit=500`)).age !== null, "LIST");
  box.spoil = (asked) => asked.startsWith(`${path}/a`) ? { kind: "status", code: 503 } : undefined;
  assert.ok((await decode(proxy.fetch, `${path}/a`)).age !== null);
  assert.equal((await decode(proxy.fetch, `${path}/b`)).age, null);
  assert.equal(await proxy.metric("edge_agent_proxy_link_state_info", { state: "up" }), 1);
});

scenario("S11 the plain-text 503 of an aggregated API is passed on", async (site) => {
  const group = "gone.scenarios.test";
  const service = { name: "nobody", namespace: site.namespace, port: 443 };
  await site.cloud("/apis/apiregistration.k8s.io/v1/apiservices", {
    method: "POST",
    body: JSON.stringify({
      metadata: { name: `v1.${group}` },
      spec: {
        group,
        version: "v1",
        groupPriorityMinimum: 1_000,
        versionPriority: 10,
        insecureSkipTLSVerify: true,
        service,
      },
    }),
  });
  const path = `/apis/${group}/v1/namespaces/${site.namespace}/things`;
  await until("the API server to know the group", async () => {
    return (await decode(site.direct, path)).status === 503;
  }, { timeoutMs: PATIENCE_MS });
  const proxy = await site.proxy();
  await linkIs(proxy, "up");
  for (const asked of [path, `${path}?resourceVersion=0`, `${path}/one`, `/apis/${group}/v1`]) {
    const real = await decode(site.direct, asked);
    assert.equal(real.status, 503, asked);
    assertSame(await decode(proxy.fetch, asked), real, asked);
  }
  const watched = await decode(proxy.fetch, `${path}?watch=true`);
  assertSame(watched, await decode(site.direct, `${path}?watch=true`), "watch");
  assert.equal(await proxy.metric("edge_agent_proxy_link_state_info", { state: "up" }), 1);
});

scenario("S11 a 403 is passed on, whatever is in the cache", async (site) => {
  await site.create("a");
  const user = await site.cluster.addUser(`stranger-${site.namespace}`);
  const { cert, key } = user.certFiles;
  const proxy = await site.proxy({
    identities: [site.admin, { name: "stranger", certFile: cert, keyFile: key }],
  });
  const path = site.path("configmaps");
  for (const asked of [path, `${path}?resourceVersion=0`, `${path}/a`]) {
    assert.equal((await decode(proxy.fetch, asked)).status, 200);
  }
  const asStranger = (path: string, init?: RequestInit) =>
    proxy.fetch(path, { ...init, as: "stranger" });
  for (
    const asked of [
      path,
      `${path}?resourceVersion=0`,
      `${path}/a`,
      `${path}?watch=true`,
      `${path}/no`,
    ]
  ) {
    const { status, body } = await decode(asStranger, asked);
    assert.deepEqual([status, body.reason], [403, "Forbidden"], asked);
  }
  await site.cluster.link.refuse();
  for (const asked of [path, `${path}?resourceVersion=0`, `${path}/a`]) {
    assert.equal((await decode(asStranger, asked)).status, 504, asked);
    assert.equal((await decode(proxy.fetch, asked)).status, 200, asked);
  }
});

scenario("S11 a bearer's 401 is passed on, and the bearer has no cache", async (site) => {
  await site.create("a");
  const proxy = await site.proxy();
  const path = site.path("configmaps");
  const asked = [path, `${path}?resourceVersion=0`, `${path}/a`, `${path}?watch=true`, "/version"];
  for (const each of asked.slice(0, 3)) assert.equal((await decode(proxy.fetch, each)).status, 200);
  const asBearer = (path: string, init?: RequestInit) => {
    const headers = new Headers(init?.headers);
    headers.set("authorization", "Bearer of-bad-news");
    return proxy.fetch(path, { ...init, as: null, headers });
  };
  for (const each of asked) {
    const { status, body } = await decode(asBearer, each);
    assert.deepEqual([status, body.reason], [401, "Unauthorized"], each);
  }
  await site.cluster.link.refuse();
  for (const each of asked) assert.equal((await decode(asBearer, each)).status, 504, each);
});

/** What goes on when the cloud takes the agent for somebody else, or the other way round. */
async function goesOn(site: Site, section: Record<string, unknown>, stateDir: string) {
  const proxy = await site.proxy(section, { stateDir });
  const path = site.path("configmaps");
  const list = await decode(proxy.fetch, path);
  assert.deepEqual([list.status, namesOf(list.body)], [200, ["a", "b"]]);
  assert.ok(list.warning !== null, "a LIST without a Warning");
  const mirrored = await decode(proxy.fetch, `${path}?resourceVersion=0`);
  assert.deepEqual([mirrored.status, namesOf(mirrored.body)], [200, ["a", "b"]]);
  const get = await decode(proxy.fetch, `${path}/a`);
  assert.deepEqual([get.status, get.body.metadata.name], [200, "a"]);
  assert.ok(get.warning !== null, "a GET without a Warning");
  await using watch = await WatchClient.open(proxy.fetch, `${path}?watch=true&resourceVersion=0`);
  await watch.sees("ADDED", "b");
  await using watchList = await WatchClient.open(
    proxy.fetch,
    `${path}?${WATCH_LIST}`,
  );
  await watchList.seesInitialEventsEnd();
  const unseen = await decode(proxy.fetch, site.path("secrets"));
  assert.equal(unseen.status, 504);
  return proxy;
}

/** A node that has seen `a` and `b`, switched off. */
async function switchedOff(site: Site): Promise<string> {
  for (const name of ["a", "b"]) await site.create(name);
  const stateDir = await site.directory();
  const proxy = await site.proxy({}, { stateDir });
  const path = site.path("configmaps");
  await decode(proxy.fetch, `${path}?resourceVersion=0`);
  await decode(proxy.fetch, `${path}/a`);
  await proxy.stop();
  return stateDir;
}

scenario(
  "S11 with its own credential rejected cached reads go on, with a Warning",
  async (site) => {
    const stateDir = await switchedOff(site);
    const folder = await site.directory();
    const foreign = await (await Authority.create(folder)).issue({
      file: "foreign",
      commonName: "kubernetes-admin",
      organizations: ["system:masters"],
    });
    const [certFile, keyFile] = [`${folder}/current.crt`, `${folder}/current.key`];
    await Deno.copyFile(foreign.cert, certFile);
    await Deno.copyFile(foreign.key, keyFile);
    const identities = [{ name: "admin", certFile, keyFile }];
    const proxy = await goesOn(site, { identities }, stateDir);
    // A new certificate is taken up, and the clients need not do anything.
    await using watch = await WatchClient.open(
      proxy.fetch,
      `${site.path("configmaps")}?watch=true`,
    );
    await watch.sees("ADDED", "b");
    await site.create("later");
    const { cert, key } = site.cluster.certFiles.admin;
    await Deno.copyFile(key, keyFile);
    await Deno.copyFile(cert, certFile);
    await watch.sees("ADDED", "later");
  },
);

scenario(
  "S11 with the server's certificate rejected cached reads go on, with a Warning",
  async (site) => {
    const stateDir = await switchedOff(site);
    const folder = await site.directory();
    const caFile = `${folder}/ca.crt`;
    await Deno.writeTextFile(caFile, (await createCa("another cluster")).cert);
    const upstream = { server: site.cluster.server, caFile };
    const proxy = await goesOn(site, { upstream }, stateDir);
    await linkIs(proxy, "rejected");
    await using watch = await WatchClient.open(
      proxy.fetch,
      `${site.path("configmaps")}?watch=true`,
    );
    await watch.sees("ADDED", "b");
    await site.create("later");
    await Deno.copyFile(site.cluster.caFile, caFile);
    await watch.sees("ADDED", "later");
  },
);
