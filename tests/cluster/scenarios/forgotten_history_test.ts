import assert from "node:assert/strict";
import { compareResourceVersions } from "../../../src/kube/resource_version.ts";
import type { InformerLine } from "../informer.ts";
import { until } from "../poll.ts";
import { decode, namesOf } from "./compare.ts";
import { linkIs, OUTAGES } from "./outage.ts";
import { PROTOBUF } from "./protobuf_client.ts";
import { note, PATIENCE_MS, shareCloud, type Site } from "./site.ts";
import { describeFrame, WATCH_LIST, WatchClient } from "./watch_client.ts";

// The API server is restarted to make it forget: its process begins in one test and ends in another.
const scenario = await shareCloud({ sanitize: false });

const NAMES = ["changed", "deleted-1", "deleted-2", "kept", "recreated"];

/** What happens in the cloud while the link is away. */
async function happen(site: Site): Promise<void> {
  await site.create("new-z");
  await site.patch("changed", { data: { text: "twice" } });
  await site.remove("deleted-2");
  await site.remove("recreated");
  await site.create("recreated");
  await site.remove("deleted-1");
  await site.create("new-a");
}

for (const [how, cut] of Object.entries(OUTAGES)) {
  scenario(
    `S08 beyond the cloud's history a watcher sees only the difference (${how})`,
    async (site) => {
      await site.createMany(NAMES);
      const proxy = await site.proxy();
      const { cluster, namespace } = site;
      const path = site.path("configmaps");
      await using watch = await WatchClient.open(
        proxy.fetch,
        `${path}?watch=true&allowWatchBookmarks=true`,
      );
      await watch.sees("ADDED", "recreated");
      await using informer = cluster.informer({
        resource: "configmaps",
        namespace,
        kubeconfig: proxy.kubeconfig("admin"),
        // The same scope as the watch above.
        contentType: "application/json",
      });
      await informer.waitFor((line) => line.type === "synced");
      const linesBefore = informer.lines.length;
      const framesBefore = watch.frames.length;
      const relists = await proxy.metric("edge_agent_proxy_relists_total");
      const list = await decode(proxy.fetch, `${path}?resourceVersion=0`);
      const known = list.body.metadata.resourceVersion;

      await cut(site);
      await happen(site);
      await cluster.expire();
      await linkIs(proxy, "down");
      const lists = await site.upstreamLists("configmaps");
      const restoredAt = performance.now();
      await cluster.link.restore();
      await watch.waitFor(
        "a bookmark behind the difference",
        (frames) => frames.slice(framesBefore).some(({ type }) => type === "BOOKMARK"),
      );
      note(
        `the difference is there ${Math.round(performance.now() - restoredAt)} ms after the link`,
      );
      assert.equal(await site.upstreamLists("configmaps") - lists, 1);
      assert.equal(await proxy.metric("edge_agent_proxy_relists_total") - relists, 1);

      const frames = watch.frames.slice(framesBefore);
      const end = frames.findIndex(({ type }) => type === "BOOKMARK");
      const difference = frames.slice(0, end);
      assert.deepEqual(
        difference.map(({ type, object }) => `${type} ${object.metadata.name}`),
        [
          "DELETED deleted-1",
          "DELETED deleted-2",
          "DELETED recreated",
          "ADDED new-z",
          "MODIFIED changed",
          "ADDED recreated",
          "ADDED new-a",
        ],
      );
      // The client never sees a version go back.
      const versions = frames.slice(0, end + 1).map(({ object }) =>
        object.metadata.resourceVersion
      );
      versions.reduce((before, version) => {
        assert.ok(
          compareResourceVersions(before, version) <= 0,
          frames.map(describeFrame).join(", "),
        );
        return version;
      }, known);
      // What it holds now is what the cloud holds.
      const { items } = await site.cloud(path);
      for (const { type, object } of difference) {
        if (type === "DELETED") continue;
        const { kind: _, apiVersion: __, ...rest } = object;
        assert.deepEqual(
          rest,
          items!.find(({ metadata }) => metadata.name === object.metadata.name),
        );
      }
      assert.equal(watch.state, "open");
      // And it goes on.
      await site.create("afterwards");
      await watch.sees("ADDED", "afterwards");

      const wanted = Object.fromEntries((await site.cloud(path)).items!.map(({ metadata }) => [
        `${metadata.namespace}/${metadata.name}`,
        metadata.resourceVersion,
      ]));
      await until("the informer to have caught up", async () => {
        assert.deepEqual((await informer.store()).keys, wanted);
        return true;
      }, { timeoutMs: PATIENCE_MS });
      const later = informer.lines.slice(linesBefore);
      const requests = later.filter(({ type }) =>
        type === "request" || type === "requestError" || type === "watchError"
      );
      assert.deepEqual(requests, []);
      assert.ok(!later.some((line) => line.type === "delete" && line.missed), "found by a relist");
    },
  );
}

scenario("S08 a resumed watch older than what the node still knows is told 410", async (site) => {
  await site.createMany(NAMES);
  const proxy = await site.proxy();
  const path = site.path("configmaps");
  const { resourceVersion } = (await decode(site.direct, path)).body.metadata;
  await happen(site);
  await site.cluster.expire();
  await linkIs(proxy, "up");
  // The first that the agent hears of this collection is behind the client's position.
  await decode(proxy.fetch, `${path}?resourceVersion=0`);
  await using watch = await WatchClient.open(
    proxy.fetch,
    `${path}?watch=true&resourceVersion=${resourceVersion}`,
  );
  await until("the watch to end", () => watch.state === "ended", { timeoutMs: PATIENCE_MS });
  assert.deepEqual(watch.frames.map(({ type, object }) => [type, object.code, object.reason]), [
    ["ERROR", 410, "Expired"],
  ]);
});

for (const count of [15, 50]) {
  scenario(
    `S03 booted after a week that the cloud has forgotten (${count} objects)`,
    async (site) => {
      const names = Array.from({ length: count }, (_, i) => `map-${String(i).padStart(2, "0")}`);
      await site.createMany(names);
      const stateDir = await site.directory();
      const path = site.path("configmaps");
      {
        const proxy = await site.proxy({}, { stateDir });
        await using watch = await WatchClient.open(proxy.fetch, `${path}?watch=true`);
        await watch.sees("ADDED", names.at(-1)!);
        await proxy.stop();
      }
      await site.remove(names[0]!);
      await site.patch(names[1]!, { data: { text: "new" } });
      await site.create("new");
      await site.cluster.expire();
      const wanted = [...names.slice(1), "new"];
      const proxy = await site.proxy({}, { stateDir });
      const started = performance.now();
      const [list, watch] = await Promise.all([
        decode(proxy.fetch, `${path}?resourceVersion=0`),
        WatchClient.open(proxy.fetch, `${path}?${WATCH_LIST}`).then((watch) => site.use(watch)),
      ]);
      await watch.seesInitialEventsEnd();
      note(`current after ${Math.round(performance.now() - started)} ms`);
      assert.deepEqual(namesOf(list.body), wanted);
      assert.deepEqual(list.body.items![0]!.data, { text: "new" });
      const shown = watch.changes.map(({ type, object }) => `${type} ${object.metadata.name}`);
      assert.deepEqual(shown, wanted.map((name) => `ADDED ${name}`));
    },
  );
}

/** What a client-go informer that speaks protobuf has been told and has asked, as short texts. */
const told = (lines: readonly InformerLine[]) =>
  lines.flatMap((line) => {
    if (line.type === "add" || line.type === "update" || line.type === "delete") {
      return [`${line.type} ${line.key.split("/")[1]}`];
    }
    return line.type === "request" || line.type === "watchError" ? [JSON.stringify(line)] : [];
  });

scenario(
  "S08 beyond the cloud's history a protobuf informer sees only the difference",
  async (site) => {
    await site.createMany(NAMES);
    const proxy = await site.proxy();
    const { cluster, namespace } = site;
    await using informer = cluster.informer({
      resource: "configmaps",
      namespace,
      contentType: PROTOBUF,
      kubeconfig: proxy.kubeconfig("admin"),
    });
    await informer.waitFor((line) => line.type === "synced", PATIENCE_MS);
    const before = informer.lines.length;
    await cluster.link.refuse();
    await linkIs(proxy, "down");
    await happen(site);
    await cluster.expire();
    const relists = await proxy.metric("edge_agent_proxy_relists_total");
    await cluster.link.restore();
    await informer.waitFor(
      (line) => line.type === "add" && line.key.endsWith("/new-a"),
      PATIENCE_MS,
      before,
    );
    const events = told(informer.lines.slice(before));
    const gone = ["deleted-1", "deleted-2", "recreated"].map((name) => `delete ${name}`);
    assert.deepEqual(events.slice(0, 3).sort(), gone);
    assert.deepEqual(events.slice(3), [
      "add new-z",
      "update changed",
      "add recreated",
      "add new-a",
    ]);
    assert.equal(await proxy.metric("edge_agent_proxy_relists_total"), relists + 1);
  },
);
