import assert from "node:assert/strict";
import { CLIENT_RELEASES } from "../components.ts";
import type { Informer, InformerLine } from "../informer.ts";
import { until } from "../poll.ts";
import { decode, namesOf } from "./compare.ts";
import { linkIs, noticeDown, OUTAGES } from "./outage.ts";
import { note, PATIENCE_MS, shareCloud, type Site } from "./site.ts";
import { type Frame, WATCH_LIST, WatchClient } from "./watch_client.ts";

const scenario = await shareCloud();

/** How long the link is away in a test of a held watch; the promise is made for 600. */
const OUTAGE_SECONDS = Number(Deno.env.get("EDGE_AGENT_OUTAGE_SECONDS") ?? 20);

const NAMES = ["changed", "deleted", "kept", "recreated"];
const INFORMER = { resource: "configmaps", userAgent: "informer/1" } as const;

/** What happens in the cloud while the link is away. */
async function happen(site: Site): Promise<void> {
  await site.create("new");
  await site.patch("changed", { data: { text: "once" } });
  await site.patch("changed", { data: { text: "twice" } });
  await site.remove("deleted");
  await site.remove("recreated");
  await site.create("recreated");
  await site.create("passing");
  await site.remove("passing");
}
const CHANGES = 8;

/** client-go ends a watch itself after 5 to 10 minutes and goes on from its resourceVersion: no list. */
const isRenewal = ({ url, status }: Record<string, unknown>) => {
  const query = new URL(String(url)).searchParams;
  return status === 200 && query.get("watch") === "true" && !query.has("sendInitialEvents") &&
    Number(query.get("resourceVersion")) > 0;
};

const requestsOf = (lines: readonly InformerLine[]) =>
  lines.filter(({ type }) => ["request", "requestError", "watchError"].includes(type));

/** Key and version of everything in the test's namespace. */
async function stateOf(site: Site): Promise<Record<string, string>> {
  const { items } = await site.cloud(site.path("configmaps"));
  return Object.fromEntries(items!.map(({ metadata }) => [
    `${metadata.namespace}/${metadata.name}`,
    metadata.resourceVersion,
  ]));
}

/** Waits until an informer believes what is so. */
async function believes(informer: Informer, wanted: Record<string, string>): Promise<void> {
  await until("the informer to have caught up", async () => {
    const { keys } = await informer.store();
    assert.deepEqual(keys, wanted);
    return true;
  }, { timeoutMs: PATIENCE_MS });
}

for (const [how, cut] of Object.entries(OUTAGES)) {
  scenario(
    `S08 a watch is held through an outage (${how}): no error, no relist, the exact difference`,
    async (site) => {
      await site.createMany(NAMES);
      const proxy = await site.proxy();
      const { cluster, namespace } = site;
      const path = `${site.path("configmaps")}?watch=true&allowWatchBookmarks=true`;
      await using held = await WatchClient.open(proxy.fetch, path);
      // Never cut: what a client is told that has no outage.
      await using uncut = await WatchClient.open(site.direct, path);
      const flags = { ...INFORMER, namespace, kubeconfig: proxy.kubeconfig("admin") };
      await using own = cluster.informer(flags);
      await using current = cluster.informer({ ...flags, release: "current" });
      const informers = [own, current];
      for (const informer of informers) await informer.waitFor(({ type }) => type === "synced");
      for (const watch of [held, uncut]) await watch.sees("ADDED", "recreated");
      const before = {
        requests: informers.map(({ lines }) => requestsOf(lines).length),
        relists: await proxy.metric("edge_agent_proxy_relists_total"),
        lists: await site.upstreamLists("configmaps"),
        changes: held.changes.length,
      };

      await cut(site);
      const cutAt = performance.now();
      await linkIs(proxy, "down");
      note(`the link is known to be down after ${Math.round(performance.now() - cutAt)} ms`);
      await happen(site);
      await until("the outage to be over", () => {
        assert.equal(held.state, "open");
        return performance.now() - cutAt > OUTAGE_SECONDS * 1_000;
      }, { timeoutMs: OUTAGE_SECONDS * 1_000 + PATIENCE_MS, intervalMs: 200 });
      assert.equal(held.changes.length, before.changes, "nothing can have come");

      const restoredAt = performance.now();
      await cluster.link.restore();
      await held.waitFor("the difference", () => held.changes.length === before.changes + CHANGES);
      note(
        `the difference is there ${Math.round(performance.now() - restoredAt)} ms after the link`,
      );
      await uncut.waitFor("everything", () => uncut.changes.length === NAMES.length + CHANGES);
      assert.deepEqual(held.changes, uncut.changes);
      assert.equal(held.state, "open");
      assert.equal(await proxy.metric("edge_agent_proxy_relists_total"), before.relists);
      assert.equal(await site.upstreamLists("configmaps"), before.lists);
      for (const [i, informer] of informers.entries()) {
        await believes(informer, await stateOf(site));
        const asked = requestsOf(informer.lines).slice(before.requests[i]);
        assert.deepEqual(asked.filter((line) => !isRenewal(line)), []);
      }
    },
  );
}

scenario("S08 a watch is held while connections are cut in mid-body", async (site) => {
  await site.createMany(NAMES);
  const proxy = await site.proxy();
  const { cluster, namespace } = site;
  const path = `${site.path("configmaps")}?watch=true&allowWatchBookmarks=true`;
  await using held = await WatchClient.open(proxy.fetch, path);
  await using uncut = await WatchClient.open(site.direct, path);
  await using informer = cluster.informer({
    ...INFORMER,
    namespace,
    kubeconfig: proxy.kubeconfig("admin"),
  });
  await informer.waitFor((line) => line.type === "synced");
  const requests = requestsOf(informer.lines).length;
  const lists = await site.upstreamLists("configmaps");
  for (let round = 0; round < 5; round++) {
    // Some of it before the cut, some behind it, and never a pause for either.
    await site.create(`before-${round}`);
    const killed = cluster.link.kill();
    await site.patch("changed", { data: { text: String(round) } });
    assert.ok(await killed > 0, "nothing was cut");
    await site.remove(`before-${round}`);
    await uncut.sees("DELETED", `before-${round}`);
    await held.waitFor("what the other sees", () => held.changes.length === uncut.changes.length);
  }
  assert.deepEqual(held.changes, uncut.changes);
  assert.equal(held.state, "open");
  assert.equal(await site.upstreamLists("configmaps"), lists);
  await believes(informer, await stateOf(site));
  assert.deepEqual(requestsOf(informer.lines).slice(requests), []);
});

scenario(
  "S08 watches resumed link-down from their own position miss nothing later",
  async (site) => {
    await site.createMany(NAMES);
    const proxy = await site.proxy();
    const path = site.path("configmaps");
    const list = await decode(proxy.fetch, `${path}?resourceVersion=0`);
    const { resourceVersion } = list.body.metadata;
    await site.create("last");
    {
      await using watch = await WatchClient.open(proxy.fetch, `${path}?watch=true`);
      await watch.sees("ADDED", "last");
    }
    await site.cluster.link.refuse();
    await linkIs(proxy, "down");
    await using resumed = await WatchClient.open(
      proxy.fetch,
      `${path}?watch=true&resourceVersion=${resourceVersion}`,
    );
    await resumed.sees("ADDED", "last");
    await happen(site);
    await site.cluster.link.restore();
    await resumed.waitFor("the difference", () => resumed.changes.length === 1 + CHANGES);
    const names = namesOf((await decode(proxy.fetch, `${path}?resourceVersion=0`)).body);
    assert.deepEqual(names, ["changed", "kept", "last", "new", "recreated"]);
  },
);

scenario(
  "S09 WatchList link-down: the initial objects, then the annotated bookmark",
  async (site) => {
    await site.createMany(NAMES);
    const proxy = await site.proxy();
    const path = site.path("configmaps");
    const versions: string[] = [];
    for (const online of [true, false]) {
      if (!online) {
        await site.cluster.link.blackhole();
        await noticeDown(proxy);
      }
      await using watch = await WatchClient.open(proxy.fetch, `${path}?${WATCH_LIST}`);
      await watch.seesInitialEventsEnd();
      const shown = watch.frames.map(({ type, object }) => `${type} ${object.metadata.name ?? ""}`);
      assert.deepEqual(shown, [...NAMES.map((name) => `ADDED ${name}`), "BOOKMARK "]);
      versions.push(watch.frames.at(-1)!.object.metadata.resourceVersion);
      // A WatchList that wants more than the node can know must not be told that it has it.
      const future = `${path}?${WATCH_LIST}&resourceVersion=${Number(versions[0]) + 100_000}`;
      if (online) continue;
      const frame = (await decode(proxy.fetch, future)).body as unknown as Frame;
      assert.deepEqual([frame.type, frame.object.code], ["ERROR", 504]);
    }
    assert.ok(Number(versions[1]) >= Number(versions[0]));
  },
);

const INFORMERS = CLIENT_RELEASES.flatMap((release) =>
  [undefined, "application/json"].map((contentType) => ({ release, contentType }))
);
for (const { release, contentType } of INFORMERS) {
  scenario(
    `S09 a client-go informer (${release} release) syncs within 2 s link-down (${
      contentType ?? "protobuf, JSON"
    })`,
    async (site) => {
      await site.createMany(NAMES);
      const proxy = await site.proxy();
      const { cluster, namespace } = site;
      await decode(proxy.fetch, `${site.path("configmaps")}?resourceVersion=0`);
      await cluster.link.blackhole();
      await noticeDown(proxy);
      const started = performance.now();
      await using informer = cluster.informer({
        ...INFORMER,
        release,
        namespace,
        contentType,
        kubeconfig: proxy.kubeconfig("admin"),
      });
      await informer.waitFor((line) => line.type === "synced");
      const syncedMs = Math.round(performance.now() - started);
      note(`synced ${syncedMs} ms after its start`);
      assert.ok(syncedMs < 2_000, `${syncedMs} ms`);
      assert.deepEqual((await informer.store()).keys, await stateOf(site));
      // Nothing that client-go would answer with a relist, and no noise.
      const [request, ...more] = requestsOf(informer.lines);
      assert.match(request?.type === "request" ? request.url : "", /sendInitialEvents=true/);
      assert.deepEqual(more, []);
    },
  );
}
