import assert from "node:assert/strict";
import { until } from "../poll.ts";
import { ACCEPT, ACCEPT_ONE, assertSame, decode, namesOf } from "./compare.ts";
import { noticeDown } from "./outage.ts";
import { PATIENCE_MS, shareCloud, type Site } from "./site.ts";
import { type Frame, WATCH_LIST, WatchClient } from "./watch_client.ts";
import { customPath, installWidgets } from "./widgets.ts";

const scenario = await shareCloud({ prepare: installWidgets });

/** Objects with text that a careless splitter stumbles over, in an order that is not that of creation. */
async function populate(site: Site): Promise<void> {
  await site.create("zebra", { labels: { tier: "back" } });
  await site.create("a-1", { labels: { tier: "front" }, data: { quote: '"}],\\ {"items":[' } });
  await site.create("a", { labels: { tier: "front" }, data: { metadata: "ä€😀\u2028\n" } });
  await site.create("a.b", { data: {} });
  for (const name of ["small", "large"]) {
    await site.cloud(customPath(site.namespace, "widgets"), {
      method: "POST",
      body: JSON.stringify({
        apiVersion: "scenarios.test/v1",
        kind: "Widget",
        metadata: { name, labels: { tier: "front" } },
        spec: { size: name.length, nested: { metadata: { name: "not me" }, big: 1e21 } },
      }),
    });
  }
}

const lists = (namespace: string) => ({
  "a namespace": `/api/v1/namespaces/${namespace}/configmaps`,
  "all namespaces": "/api/v1/configmaps",
  "a cluster-scoped resource": "/api/v1/namespaces",
  "a label selector": `/api/v1/namespaces/${namespace}/configmaps?labelSelector=tier%3Dfront`,
  "a set-based selector": `/api/v1/configmaps?labelSelector=tier+notin+%28back%29%2Ctier`,
  "a field selector": `/api/v1/namespaces/${namespace}/configmaps?fieldSelector=metadata.name%3Da`,
  "a custom resource": customPath(namespace, "widgets"),
  "an empty list": `/api/v1/namespaces/${namespace}/secrets`,
  "an API group": "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas",
});

for (const representation of ["object", "metadata", "table"] as const) {
  scenario(`S01 LIST through the agent equals the cloud's (${representation})`, async (site) => {
    await populate(site);
    const proxy = await site.proxy();
    for (const [what, path] of Object.entries(lists(site.namespace))) {
      const accept = ACCEPT[representation];
      const real = await decode(site.direct, path, accept);
      assert.equal(real.status, 200, what);
      for (const version of ["", "resourceVersion=0"]) {
        const asked = version === "" ? path : path + (path.includes("?") ? "&" : "?") + version;
        const agent = await decode(proxy.fetch, asked, accept);
        assertSame(agent, real, `${what} ${version}`);
        assert.deepEqual(namesOf(agent.body), namesOf(real.body), what);
        const [seen, known] = [agent, real].map(({ body }) => +body.metadata.resourceVersion);
        assert.ok(seen! >= known!, `${what}: ${seen} is older than ${known}`);
      }
    }
  });

  scenario(`S01 GET through the agent equals the cloud's (${representation})`, async (site) => {
    await populate(site);
    const proxy = await site.proxy();
    for (
      const path of [
        site.path("configmaps", "a-1"),
        site.path("configmaps", "a"),
        `/api/v1/namespaces/${site.namespace}`,
        customPath(site.namespace, "widgets", "large"),
      ]
    ) {
      const accept = ACCEPT_ONE[representation];
      const real = await decode(site.direct, path, accept);
      assert.equal(real.status, 200, path);
      assertSame(await decode(proxy.fetch, path, accept), real, path);
    }
  });
}

scenario("S01 pages of a LIST equal the cloud's", async (site) => {
  await populate(site);
  const proxy = await site.proxy();
  const path = `${site.path("configmaps")}?limit=2`;
  const first = await decode(proxy.fetch, path);
  assert.equal(first.body.metadata.remainingItemCount, 2);
  // The token is the cloud's own: either may be asked for the next page.
  const next = `${path}&continue=${first.body.metadata.continue}`;
  const second = await decode(proxy.fetch, next);
  assertSame(second, await decode(site.direct, next), next);
  assert.deepEqual([...namesOf(first.body), ...namesOf(second.body)], ["a", "a-1", "a.b", "zebra"]);
});

scenario(
  "S01 a LIST as of an exact or a minimal resourceVersion equals the cloud's",
  async (site) => {
    await populate(site);
    const proxy = await site.proxy();
    const path = site.path("configmaps");
    const version = (await decode(site.direct, path)).body.metadata.resourceVersion;
    await site.create("later");
    await decode(proxy.fetch, `${path}?resourceVersion=0`);
    const newest = (await decode(site.direct, path)).body.metadata.resourceVersion;
    for (
      const query of [
        `resourceVersion=${version}&resourceVersionMatch=Exact`,
        `resourceVersion=${newest}&resourceVersionMatch=NotOlderThan`,
        `resourceVersion=${newest}`,
      ]
    ) {
      const asked = `${path}?${query}`;
      assertSame(await decode(proxy.fetch, asked), await decode(site.direct, asked), query);
    }
  },
);

scenario("S01 a version of another resource is no version of the future", async (site) => {
  await populate(site);
  const proxy = await site.proxy();
  const path = site.path("configmaps");
  await decode(proxy.fetch, `${path}?resourceVersion=0`);
  // Nothing of this tells the mirror how far the cloud is.
  await site.cloud(site.path("secrets"), {
    method: "POST",
    body: JSON.stringify({ metadata: { name: "later" } }),
  });
  const { resourceVersion } = (await site.cloud(site.path("secrets"))).metadata;
  const list = `${path}?resourceVersion=${resourceVersion}&resourceVersionMatch=NotOlderThan`;
  assertSame(await decode(proxy.fetch, list), await decode(site.direct, list), list);
  const watched = `${path}?${WATCH_LIST}&resourceVersion=${resourceVersion}`;
  await using watch = await WatchClient.open(proxy.fetch, watched);
  await watch.seesInitialEventsEnd();
});

for (
  const query of [
    "configmaps/nobody",
    "nosuchthings",
    "nosuchthings?resourceVersion=0",
    "nosuchthings?watch=true",
    "nodes",
    "nodes?resourceVersion=0",
    "nodes?watch=true",
    "configmaps?labelSelector=%21%21",
    "configmaps?labelSelector=%21%21&resourceVersion=0",
    "configmaps?fieldSelector=spec.x%3Dy&resourceVersion=0",
    "configmaps?watch=true&resourceVersion=abc",
    "configmaps?resourceVersion=abc",
    "configmaps?continue=abc",
    "configmaps?watch=true&sendInitialEvents=true",
    "configmaps?sendInitialEvents=true&resourceVersionMatch=NotOlderThan",
    "configmaps?resourceVersion=0&resourceVersionMatch=Exact",
    "configmaps?resourceVersionMatch=NotOlderThan",
    "configmaps?resourceVersion=0&limit=abc",
  ]
) {
  scenario(`S01 the cloud's refusal of ${query} reaches the client as it is`, async (site) => {
    const proxy = await site.proxy();
    const path = site.path(query);
    const real = await decode(site.direct, path);
    assert.ok(real.status >= 400, `${real.status}`);
    assertSame(await decode(proxy.fetch, path), real, path);
  });
}

scenario("S01 HEAD is what it is in the cloud", async (site) => {
  await site.create("a");
  const proxy = await site.proxy();
  const paths = [site.path("configmaps"), site.path("configmaps", "a"), "/version", "/healthz"];
  for (const path of paths) {
    const [agent, real] = await Promise.all(
      [proxy.fetch, site.direct].map((fetchPath) => fetchPath(path, { method: "HEAD" })),
    );
    assert.deepEqual(
      [agent!.status, await agent!.text()],
      [real!.status, await real!.text()],
      path,
    );
  }
});

/** What happens to the objects while the watches are open; ends with the creation of `last`. */
async function happen(site: Site): Promise<void> {
  await site.create("new", { labels: { tier: "front" } });
  await site.patch("new", { data: { text: "changed" } });
  await site.patch("zebra", { metadata: { labels: { tier: "front" } } });
  await site.patch("a", { metadata: { labels: { tier: "back" } } });
  await site.remove("a-1");
  await site.remove("new");
  await site.create("new", { labels: { tier: "front" } });
  await site.create("last", { labels: { tier: "front" } });
}

function changesOf(watch: WatchClient, representation: keyof typeof ACCEPT): unknown {
  // An age is part of a row, and the columns come with a watch's first row only.
  if (representation !== "table") return watch.changes;
  return watch.changes.map(({ type, object }) => ({
    type,
    objects: object.rows?.map((row) => row.object),
  }));
}

const isLast = (frames: readonly Frame[]) => JSON.stringify(frames.at(-1) ?? "").includes('"last"');

for (const representation of ["object", "metadata", "table"] as const) {
  scenario(`S01 WATCH through the agent equals the cloud's (${representation})`, async (site) => {
    await populate(site);
    const proxy = await site.proxy();
    const collections = [
      site.path("configmaps"),
      "/api/v1/configmaps",
      `${site.path("configmaps")}?labelSelector=tier%3Dfront`,
      `${site.path("configmaps")}?fieldSelector=metadata.namespace%3D${site.namespace}`,
    ];
    const { resourceVersion } = (await site.cloud(site.path("configmaps"))).metadata;
    const headers = { accept: ACCEPT_ONE[representation] };
    const pairs: { path: string; agent: WatchClient; real: WatchClient }[] = [];
    for (const collection of collections) {
      for (const from of [`&resourceVersion=${resourceVersion}`, "&resourceVersion=0", ""]) {
        const query = `${collection.includes("?") ? "&" : "?"}watch=true${from}`;
        const path = collection + query;
        const [agent, real] = await Promise.all([
          WatchClient.open(proxy.fetch, path, headers),
          WatchClient.open(site.direct, path, headers),
        ]);
        pairs.push({ path, agent: site.use(agent), real: site.use(real) });
      }
    }
    // Initial objects first: the state of the cloud's watch cache when each was opened.
    await happen(site);
    for (const { path, agent, real } of pairs) {
      await Promise.all([agent, real].map((watch) => watch.waitFor(`last (${path})`, isLast)));
      assert.deepEqual(changesOf(agent, representation), changesOf(real, representation), path);
    }
  });
}

scenario("S01 WATCH of a custom resource equals the cloud's", async (site) => {
  await populate(site);
  const proxy = await site.proxy();
  const path = customPath(site.namespace, "widgets");
  const watched = `${path}?watch=true&resourceVersion=0`;
  await using agent = await WatchClient.open(proxy.fetch, watched);
  await using real = await WatchClient.open(site.direct, watched);
  for (const watch of [agent, real]) await watch.sees("ADDED", "large");
  await site.cloud(`${path}/large`, {
    method: "PATCH",
    headers: { "content-type": "application/merge-patch+json" },
    body: JSON.stringify({ spec: { size: 7 } }),
  });
  await site.cloud(`${path}/small`, { method: "DELETE" });
  for (const watch of [agent, real]) await watch.sees("DELETED", "small");
  assert.deepEqual(agent.changes, real.changes);
});

for (const representation of ["object", "metadata"] as const) {
  scenario(
    `S01 WatchList through the agent equals the cloud's (${representation})`,
    async (site) => {
      await populate(site);
      const proxy = await site.proxy();
      const path = `${site.path("configmaps")}?${WATCH_LIST}`;
      const headers = { accept: ACCEPT_ONE[representation] };
      await using agent = await WatchClient.open(proxy.fetch, path, headers);
      await using real = await WatchClient.open(site.direct, path, headers);
      for (const watch of [agent, real]) await watch.seesInitialEventsEnd();
      const [ours, theirs] = [agent, real].map(({ frames }) => frames.slice(0, 5));
      assert.deepEqual(ours!.slice(0, 4), theirs!.slice(0, 4));
      const [end, wanted] = [ours!.at(-1)!, theirs!.at(-1)!];
      const { metadata, ...object } = wanted.object;
      assert.deepEqual(end, {
        type: "BOOKMARK",
        object: {
          ...object,
          metadata: { ...metadata, resourceVersion: end.object.metadata.resourceVersion },
        },
      });
    },
  );
}

scenario(
  "S01 a watch from a resourceVersion that nobody remembers is answered 200 and an ERROR 410",
  async (site) => {
    const { resourceVersion } = (await site.create("a")).metadata;
    await site.create("b");
    const proxy = await site.proxy();
    const path = `${site.path("configmaps")}?watch=true&resourceVersion=${resourceVersion}`;
    await decode(proxy.fetch, `${site.path("configmaps")}?resourceVersion=0`);
    // What the node never saw the cloud still knows.
    await using past = await WatchClient.open(proxy.fetch, path);
    await past.sees("ADDED", "b");
    await site.cluster.link.refuse();
    await noticeDown(proxy);
    await using watch = await WatchClient.open(proxy.fetch, path);
    await until("the watch to end", () => watch.state === "ended", { timeoutMs: PATIENCE_MS });
    const [error, ...more] = watch.frames;
    assert.deepEqual([error?.type, error?.object.code, error?.object.reason, more.length], [
      "ERROR",
      410,
      "Expired",
      0,
    ]);
  },
);
