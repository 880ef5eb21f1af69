import assert from "node:assert/strict";
import {
  ACCEPT,
  ACCEPT_ONE,
  assertSame,
  assertStatus,
  decode,
  type Decoded,
  namesOf,
} from "./compare.ts";
import { linkIs, OUTAGES } from "./outage.ts";
import { note, shareCloud, type Site } from "./site.ts";
import { WATCH_LIST, WatchClient } from "./watch_client.ts";
import { customPath, installWidgets } from "./widgets.ts";

const scenario = await shareCloud({ prepare: installWidgets });

const REPRESENTATIONS = ["object", "metadata", "table"] as const;

scenario("S05 a client with another User-Agent gets the same answers link-down", async (site) => {
  for (const name of ["a", "b"]) await site.create(name);
  const proxy = await site.proxy();
  const path = site.path("configmaps");
  const asClient = (userAgent: string) => (path: string, init?: RequestInit) => {
    const headers = new Headers(init?.headers);
    headers.set("user-agent", userAgent);
    return proxy.fetch(path, { ...init, headers });
  };
  const requests = REPRESENTATIONS.flatMap((as) => [
    { path, accept: ACCEPT[as] },
    { path: `${path}?resourceVersion=0`, accept: ACCEPT[as] },
    { path: `${path}/a`, accept: ACCEPT_ONE[as] },
  ]);
  const before = [];
  for (const { path, accept } of requests) {
    before.push(await decode(asClient("kubelet/v1.35"), path, accept));
  }
  await site.cluster.link.refuse();
  for (const userAgent of ["kubelet/v1.36", "kube-proxy/v1.35", "curl/8"]) {
    for (const [i, { path, accept }] of requests.entries()) {
      assertSame(
        await decode(asClient(userAgent), path, accept),
        before[i]!,
        `${userAgent} ${path}`,
      );
    }
    await using watch = await WatchClient.open(asClient(userAgent), `${path}?${WATCH_LIST}`);
    await watch.seesInitialEventsEnd();
    assert.deepEqual(watch.changes.map(({ object }) => object.metadata.name), ["a", "b"]);
  }
});

scenario(
  "S05 a client-go informer started link-down with another User-Agent sees the same",
  async (site) => {
    for (const name of ["a", "b"]) await site.create(name);
    const proxy = await site.proxy();
    const { cluster, namespace } = site;
    const flags = {
      resource: "configmaps",
      namespace,
      kubeconfig: proxy.kubeconfig("admin"),
    } as const;
    await using first = cluster.informer({ ...flags, userAgent: "first/1" });
    await first.waitFor((line) => line.type === "synced");
    const { keys } = await first.store();
    await site.cluster.link.refuse();
    await linkIs(proxy, "down");
    await using second = cluster.informer({ ...flags, userAgent: "second/2" });
    await second.waitFor((line) => line.type === "synced");
    assert.deepEqual((await second.store()).keys, keys);
    assert.equal(Object.keys(keys).length, 2);
  },
);

/** Collections that must not be mixed up, all under the names of each other. */
async function collectionsOf(site: Site): Promise<string[]> {
  await site.create("same", { labels: { tier: "front" } });
  await site.create("other", { labels: { tier: "back" } });
  for (const name of ["same", "custom"]) {
    await site.cloud(customPath(site.namespace, "configmaps"), {
      method: "POST",
      body: JSON.stringify({
        apiVersion: "scenarios.test/v1",
        kind: "FakeMap",
        metadata: { name, labels: { tier: "front" } },
        spec: { size: 3 },
      }),
    });
  }
  await site.cloud(site.path("events"), {
    method: "POST",
    body: JSON.stringify({
      metadata: { name: "happened" },
      involvedObject: { kind: "ConfigMap", name: "same", namespace: site.namespace },
      reason: "Testing",
      message: "an event",
      type: "Normal",
    }),
  });
  const custom = customPath(site.namespace, "configmaps");
  const core = site.path("configmaps");
  return [
    core,
    `${core}?labelSelector=tier%3Dfront`,
    `${core}?labelSelector=tier%3Dback`,
    `${core}?fieldSelector=metadata.name%3Dother`,
    custom,
    `${custom}?labelSelector=tier%3Dfront`,
    site.path("events"),
    `/apis/events.k8s.io/v1/namespaces/${site.namespace}/events`,
  ];
}

for (const from of ["passed by", "mirrored"]) {
  scenario(`S06 selectors, groups and representations never mix (lists ${from})`, async (site) => {
    const collections = await collectionsOf(site);
    const stateDir = await site.directory();
    const objects = [
      site.path("configmaps", "same"),
      customPath(site.namespace, "configmaps", "same"),
      site.path("events", "happened"),
      `/apis/events.k8s.io/v1/namespaces/${site.namespace}/events/happened`,
    ];
    const requests = REPRESENTATIONS.flatMap((as) => [
      ...collections.map((path) => ({ path, accept: ACCEPT[as] })),
      ...objects.map((path) => ({ path, accept: ACCEPT_ONE[as] })),
    ]);
    const real: Decoded[] = [];
    for (const { path, accept } of requests) real.push(await decode(site.direct, path, accept));
    const ask = async (proxy: Awaited<ReturnType<Site["proxy"]>>, when: string) => {
      for (const [i, { path, accept }] of requests.entries()) {
        const mirror = from === "mirrored" && collections.includes(path);
        const asked = mirror ? `${path}${path.includes("?") ? "&" : "?"}resourceVersion=0` : path;
        assertSame(
          await decode(proxy.fetch, asked, accept),
          real[i]!,
          `${when}: ${asked} ${accept}`,
        );
      }
    };
    const proxy = await site.proxy({}, { stateDir });
    await ask(proxy, "online");
    await site.cluster.link.refuse();
    await ask(proxy, "link-down");
    await proxy.stop();
    await ask(await site.proxy({}, { stateDir }), "link-down after a restart");
  });
}

for (const [how, cut] of Object.entries(OUTAGES)) {
  scenario(
    `S12 started link-down before any sync: 504, never a false empty list (${how})`,
    async (site) => {
      await site.create("a");
      await cut(site);
      const started = performance.now();
      const proxy = await site.proxy({ prefetch: "discovery" });
      const path = site.path("configmaps");
      const paths = [
        path,
        `${path}?resourceVersion=0`,
        `${path}?limit=500`,
        `${path}?watch=true`,
        `${path}?watch=true&resourceVersion=0`,
        `${path}?watch=true&resourceVersion=7`,
        `${path}?${WATCH_LIST}`,
        `${path}/a`,
        "/api",
        "/apis",
        "/api/v1",
        "/version",
        "/openapi/v3",
        "/openapi/v2",
      ];
      for (const [i, asked] of paths.entries()) {
        for (const as of REPRESENTATIONS) {
          assertStatus(
            await decode(proxy.fetch, asked, ACCEPT_ONE[as]),
            504,
            "Timeout",
            `${asked} ${as}`,
          );
        }
        if (i === 0) {
          note(`first answer ${Math.round(performance.now() - started)} ms after the start`);
        }
      }
      const { code, stdout, stderr } = await site.cluster.kubectl(
        ["get", "configmaps", "-n", site.namespace],
        {
          kubeconfig: proxy.kubeconfig("admin"),
          cacheDir: await site.directory(),
          allowFailure: true,
        },
      );
      assert.deepEqual([code, stdout], [1, ""]);
      assert.match(stderr, /Error from server \(Timeout\)/);
      // And it is no dead end.
      await site.cluster.link.restore();
      await linkIs(proxy, "up");
      assert.deepEqual(namesOf((await decode(proxy.fetch, path)).body), ["a"]);
    },
  );
}
