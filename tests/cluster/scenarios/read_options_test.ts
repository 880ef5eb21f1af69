import assert from "node:assert/strict";
import { noticeDown } from "./outage.ts";
import {
  ask,
  eachOf,
  listQueries,
  type Said,
  type Versions,
  watchQueries,
} from "./read_options.ts";
import { type FetchPath, shareCloud, type Site } from "./site.ts";

const scenario = await shareCloud();

/** Three objects; the versions of the first and of the last. */
async function populate(site: Site): Promise<Versions> {
  const first = await site.create("a", { labels: { tier: "front" } });
  await site.create("b");
  const last = await site.create("c", { labels: { tier: "back" } });
  return {
    old: first.metadata.resourceVersion,
    current: last.metadata.resourceVersion,
  };
}

/** What the proxy has mirrored before the objects come. */
const MIRRORED: Record<string, (site: Site) => string[]> = {
  "nothing is mirrored": () => [],
  "the scope is mirrored": (site) => [site.path("configmaps")],
  "a wider scope is mirrored": () => ["/api/v1/configmaps"],
};

async function prepare(site: Site, what: string) {
  const proxy = await site.proxy();
  for (const path of MIRRORED[what]!(site)) {
    await (await proxy.fetch(`${path}?resourceVersion=0`)).body?.cancel();
  }
  const versions = await populate(site);
  for (const path of MIRRORED[what]!(site)) {
    const seen = `${path}?resourceVersion=${versions.current}&resourceVersionMatch=NotOlderThan`;
    await (await proxy.fetch(seen)).body?.cancel();
  }
  return { proxy, versions };
}

async function differences(
  site: Site,
  agent: FetchPath,
  queries: readonly string[],
): Promise<Map<string, { agent: Said; real: Said }>> {
  const found = new Map<string, { agent: Said; real: Said }>();
  await eachOf(queries, async (query) => {
    const path = `${site.path("configmaps")}?${query}`;
    const [ours, real] = await Promise.all([ask(agent, path), ask(site.direct, path)]);
    try {
      assert.deepEqual(ours, real);
    } catch {
      found.set(query, { agent: ours, real });
    }
  });
  return found;
}

for (const what of Object.keys(MIRRORED)) {
  scenario(`S01 every LIST option means what it means in the cloud while ${what}`, async (site) => {
    const { proxy, versions } = await prepare(site, what);
    const found = await differences(site, proxy.fetch, listQueries(versions));
    assert.deepEqual(Object.fromEntries(found), {});
  });

  scenario(
    `S09 every WATCH option means what it means in the cloud while ${what}`,
    async (site) => {
      const { proxy, versions } = await prepare(site, what);
      const found = await differences(site, proxy.fetch, watchQueries(versions));
      assert.deepEqual(Object.fromEntries(found), {});
    },
  );
}

for (const what of ["the scope is mirrored", "a wider scope is mirrored"]) {
  scenario(`S01 every LIST option keeps its meaning link-down when ${what}`, async (site) => {
    const { proxy, versions } = await prepare(site, what);
    await site.cluster.link.refuse();
    await noticeDown(proxy);
    const found = await differences(site, proxy.fetch, listQueries(versions));
    // The past is the cloud's alone: honestly gone.
    const isPast = (query: string) =>
      query.includes(`resourceVersion=${versions.old}`) && !query.includes("NotOlderThan") &&
      /Exact|limit/.test(query);
    for (const [query, { agent }] of found) {
      if (isPast(query)) assert.equal(agent.status, 410, query);
    }
    // The parser's own words about what is no token, and selectors that no cloud is there to refuse.
    const unknown = [...found].filter(([query, { agent }]) =>
      !isPast(query) && !(query.startsWith("continue=abc") && agent.status === 400) &&
      !(query.includes("Selector=") && agent.status === 504)
    );
    assert.deepEqual(Object.fromEntries(unknown), {});
  });

  scenario(`S09 every WATCH option keeps its meaning link-down when ${what}`, async (site) => {
    const { proxy, versions } = await prepare(site, what);
    await site.cluster.link.refuse();
    await noticeDown(proxy);
    const found = await differences(site, proxy.fetch, watchQueries(versions));
    const unknown = [...found].filter(([query, { agent }]) =>
      !(query.includes("Selector=spec") && agent.status === 504) &&
      !query.includes("timeoutSeconds=-1")
    );
    assert.deepEqual(Object.fromEntries(unknown), {});
  });
}
