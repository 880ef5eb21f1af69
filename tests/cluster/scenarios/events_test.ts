import assert from "node:assert/strict";
import { until } from "../poll.ts";
import { createEdgePod, nodeIdentity, prepareEdge } from "./edge_pod.ts";
import { noticeDown, OUTAGES } from "./outage.ts";
import { note, PATIENCE_MS, shareCloud, type Site } from "./site.ts";
import { WatchClient } from "./watch_client.ts";

const scenario = await shareCloud();

/** The parts of an Event that are looked at. */
interface Event {
  readonly metadata: { readonly name: string; readonly resourceVersion: string };
  readonly message: string;
  readonly count: number;
}

/** A namespace's Events, oldest first. */
async function eventsOf(site: Site): Promise<Event[]> {
  const { items } = await site.cloud<{ items: Event[] }>(site.path("events"));
  return items.sort((a, b) =>
    Number(a.metadata.resourceVersion) - Number(b.metadata.resourceVersion)
  );
}

/** What a watch has shown of them: `ADDED m1 x1`. */
function changesOf(watch: WatchClient): string[] {
  return watch.changes.map(({ type, object }) => {
    const { message, count } = object as unknown as Event;
    return `${type} ${message} x${count}`;
  });
}

for (const outage of ["refused", "black-holed"] as const) {
  scenario(
    `S19 a recorder's Events with the link ${outage} reach the cloud in order, once, over a restart`,
    async (site) => {
      await prepareEdge(site);
      const pod = await createEdgePod(site, "web");
      const stateDir = await site.directory();
      const section = { identities: [nodeIdentity(site)], listen: "127.0.0.1:0" };
      const first = await site.proxy(section, { stateDir });
      const asker = site.use(site.cluster.asker(first.kubeconfig("node")));
      await using watch = await WatchClient.open(site.direct, `${site.path("events")}?watch=true`);
      await asker.event(pod, "Seen", "before");
      await watch.waitFor("the first Event", (frames) => frames.length === 1);

      await OUTAGES[outage](site);
      // Twice the same: client-go patches the count of the one before.
      const messages = ["m1", "m2", "m3", "m1", "m1", "before"];
      for (const message of messages) await asker.event(pod, "Seen", message);
      const answers = () => [...asker.requests("POST"), ...asker.requests("PATCH")];
      await until("the recorder to be done", () => answers().length === 1 + messages.length, {
        timeoutMs: PATIENCE_MS,
      });
      assert.deepEqual(asker.requests("POST").map(({ status }) => status), [201, 201, 201, 201]);
      assert.deepEqual(asker.requests("PATCH").map(({ status }) => status), [200, 200, 200]);
      assert.equal(watch.changes.length, 1);

      await first.stop();
      await site.cluster.link.restore();
      const proxy = await site.proxy(section, { stateDir });
      await until(
        "the journal to be empty",
        async () =>
          await proxy.metric("edge_agent_proxy_journal_delivered_total") > 0 &&
          await proxy.metric("edge_agent_proxy_journal_entries_count") === 0,
        {
          timeoutMs: PATIENCE_MS,
        },
      );
      await watch.waitFor("everything", () => changesOf(watch).length >= 6);
      assert.deepEqual(changesOf(watch), [
        "ADDED before x1",
        "ADDED m1 x1",
        "ADDED m2 x1",
        "ADDED m3 x1",
        "MODIFIED m1 x3",
        "MODIFIED before x2",
      ]);
      assert.equal((await eventsOf(site)).length, 4);
      assert.equal(await proxy.metric("edge_agent_proxy_journal_dropped_total"), 0);
    },
  );
}

scenario("S19 a recorder of events.k8s.io is served as well", async (site) => {
  await prepareEdge(site);
  const pod = await createEdgePod(site, "web");
  const proxy = await site.proxy({ identities: [nodeIdentity(site)] });
  const asker = site.use(site.cluster.asker(proxy.kubeconfig("node")));
  const record = async (reason: string, requests: number) => {
    await asker.event(pod, reason, `about ${reason}`, { group: true });
    // This recorder sends each on a goroutine of its own.
    const sent = () => asker.requests("POST").length + asker.requests("PATCH").length;
    await until("the recorder to be done", () => sent() === requests, { timeoutMs: PATIENCE_MS });
  };
  await record("Before", 1);
  await site.cluster.link.refuse();
  await noticeDown(proxy);
  await record("First", 2);
  await record("Second", 3);
  // The same again becomes a series.
  await record("First", 4);
  await record("Before", 5);
  assert.deepEqual(asker.requests("POST").map(({ status }) => status), [201, 201, 201]);
  assert.deepEqual(asker.requests("PATCH").map(({ status }) => status), [200, 200]);
  await site.cluster.link.restore();
  await until(
    "the journal to be empty",
    async () => await proxy.metric("edge_agent_proxy_journal_delivered_total") === 4,
    {
      timeoutMs: PATIENCE_MS,
    },
  );
  const path = `/apis/events.k8s.io/v1/namespaces/${site.namespace}/events`;
  const { items } = await site.cloud<
    { items: { reason: string; note: string; series?: { count: number } }[] }
  >(path);
  const found = items.map(({ reason, note, series }) => [reason, note, series?.count]);
  assert.deepEqual(found.sort(), [
    ["Before", "about Before", 2],
    ["First", "about First", 2],
    ["Second", "about Second", undefined],
  ]);
});

scenario("S19 an Event in flight when the black hole opens is there once", async (site) => {
  await prepareEdge(site);
  const pod = await createEdgePod(site, "web");
  const proxy = await site.proxy({ identities: [nodeIdentity(site)] });
  const asker = site.use(site.cluster.asker(proxy.kubeconfig("node")));
  await asker.event(pod, "Seen", "before");
  await until("the first", async () => (await eventsOf(site)).length === 1);
  // What is sent now arrives nowhere, or its answer does not.
  const sent = asker.event(pod, "Seen", "in flight");
  await site.cluster.link.blackhole();
  await sent;
  await noticeDown(proxy);
  await asker.event(pod, "Seen", "after");
  await until("the recorder to be done", () => asker.requests("POST").length === 3, {
    timeoutMs: PATIENCE_MS,
  });
  await site.cluster.link.restore();
  await until("all three", async () => (await eventsOf(site)).length === 3, {
    timeoutMs: PATIENCE_MS,
  });
  assert.deepEqual((await eventsOf(site)).map(({ message, count }) => `${message} x${count}`), [
    "before x1",
    "in flight x1",
    "after x1",
  ]);
});

scenario("S19 a patch of an Event that has expired in the cloud makes it again", async (site) => {
  await prepareEdge(site);
  const pod = await createEdgePod(site, "web");
  const proxy = await site.proxy({ identities: [nodeIdentity(site)] });
  const asker = site.use(site.cluster.asker(proxy.kubeconfig("node")));
  await asker.event(pod, "Seen", "old");
  await until("the Event", async () => (await eventsOf(site)).length === 1);
  await site.cluster.link.refuse();
  await noticeDown(proxy);
  await asker.event(pod, "Seen", "old");
  await until("its patch", () => asker.requests("PATCH").length === 1);
  const [{ metadata: { name } }] = await eventsOf(site) as [Event];
  await site.cloud(site.path("events", name), { method: "DELETE" });
  await site.cluster.link.restore();
  await until("it to be back", async () => (await eventsOf(site)).length === 1, {
    timeoutMs: PATIENCE_MS,
  });
  const [{ count, message }] = await eventsOf(site) as [Event];
  assert.deepEqual([message, count], ["old", 2]);
});

scenario("S19 a thousand Events of an outage are sent one after the other", async (site) => {
  const proxy = await site.proxy();
  const path = site.path("events");
  await (await proxy.fetch(site.path("configmaps"))).body?.cancel();
  await site.cluster.link.refuse();
  await noticeDown(proxy);
  const body = (i: number) =>
    JSON.stringify({
      metadata: { name: `e-${i}`, namespace: site.namespace },
      involvedObject: { kind: "Pod", namespace: site.namespace, name: "web" },
      reason: "Seen",
      message: `m${i}`,
    });
  for (let i = 1; i <= 1_000; i++) {
    const headers = { "content-type": "application/json" };
    const answer = await proxy.fetch(path, { method: "POST", headers, body: body(i) });
    assert.equal(answer.status, 201);
    await answer.body?.cancel();
  }
  const before = await site.cluster.link.bytes();
  await site.cluster.link.restore();
  const started = performance.now();
  await until("the journal to be empty", async () => {
    return await proxy.metric("edge_agent_proxy_journal_delivered_total") === 1_000;
  }, { timeoutMs: 60_000 });
  const tookMs = performance.now() - started;
  const { toCloud, fromCloud } = await site.cluster.link.bytes();
  note(
    `1,000 Events: ${Math.round(tookMs)} ms, ${toCloud - before.toCloud} bytes up, ${
      fromCloud - before.fromCloud
    } down`,
  );
  const messages = (await eventsOf(site)).map(({ message }) => message);
  assert.deepEqual(messages, Array.from({ length: 1_000 }, (_, i) => `m${i + 1}`));
});
