import assert from "node:assert/strict";
import type { Backup } from "../../src/demo/fake_store.ts";
import { until } from "../cluster/poll.ts";
import type { Json } from "../testing/api_server_contract/scratch.ts";
import { WatchReader } from "../testing/api_server_contract/watch_reader.ts";
import { type FakeSite, startFakeSite } from "../testing/fake_site.ts";

// A cluster that was restored from a backup, and another one at the same address: nobody may hang, and
// nothing of the former may be served.

const PATH = "/api/v1/namespaces/default/pods";
const pod = (name: string) => ({ metadata: { name, namespace: "default" } });

async function statusOf(response: Response): Promise<number> {
  await response.body?.cancel();
  return response.status;
}

async function list(site: FakeSite, path = `${PATH}?resourceVersion=0`): Promise<Json> {
  const response = await site.proxy.fetch(path);
  assert.equal(response.status, 200, path);
  return await response.json() as Json;
}

const namesOf = ({ items }: Json) => items.map(({ metadata }) => metadata.name);

async function cut(site: FakeSite): Promise<void> {
  site.link.set({ state: "refused" });
  await until("the link to be down", async () => {
    await statusOf(await site.proxy.fetch("/version"));
    return await site.proxy.metric("edge_agent_proxy_link_state_info", { state: "down" }) === 1;
  });
}

/** The same objects, but of another cluster. */
function otherCluster(backup: Backup): Backup {
  const objects = backup.objects.map(([resource, all]): Backup["objects"][0] => [
    resource,
    all.filter(([key]) => !key.endsWith("/old")).map(([key, object]) => {
      const metadata = { ...object.metadata, uid: crypto.randomUUID() };
      return [key, { ...object, metadata }];
    }),
  ]);
  return { resourceVersion: backup.resourceVersion + 5_000, objects };
}

/** How the former cloud goes, with or without anybody noticing that the link was away. */
const WAYS = [
  { name: "while the link is down", quick: false },
  { name: "so fast that the link is never down", quick: true },
];

async function become(site: FakeSite, backup: Backup, quick: boolean): Promise<void> {
  if (!quick) await cut(site);
  await site.cloud.restart({ backup });
  site.link.set({ state: "up" });
}

const verdicts = (site: FakeSite, verdict: string) =>
  site.proxy.metric("edge_agent_proxy_cloud_changes_total", { verdict });

/** Resumes at a version: the first frame. */
async function resume(site: FakeSite, resourceVersion: string): Promise<Json> {
  const path = `${PATH}?watch=true&allowWatchBookmarks=true&resourceVersion=${resourceVersion}`;
  await using watch = new WatchReader(await site.proxy.fetch(path));
  const frame = await watch.next();
  return { ...frame!.object, type: frame!.type };
}

Deno.test.each(WAYS)(
  "S08 restored from a backup $name: clients list again, nothing newer is served",
  async ({ quick }) => {
    await using site = await startFakeSite();
    site.cloud.create("pods", pod("kept"));
    const backup = site.cloud.store.backup();
    site.cloud.create("pods", pod("lost"));
    await using watch = new WatchReader(await site.proxy.fetch(`${PATH}?watch=true`));
    await watch.take(2);
    assert.equal(await statusOf(await site.proxy.fetch(`${PATH}/lost`)), 200);
    const { metadata: { resourceVersion } } = await list(site);

    await become(site, backup, quick);
    const [end] = await watch.rest();
    assert.deepEqual([end?.type, end?.object.code], ["ERROR", 410]);
    await until("the older state", async () => namesOf(await list(site)).join() === "kept");
    assert.equal(await verdicts(site, "restored"), 1);
    const frame = await resume(site, resourceVersion);
    assert.deepEqual([frame.type, frame.code], ["ERROR", 410]);

    // Also to whoever comes back when the agent was restarted.
    await site.restart();
    assert.deepEqual(namesOf(await list(site)), ["kept"]);
    assert.equal((await resume(site, resourceVersion)).code, 410);

    await cut(site);
    assert.equal(await statusOf(await site.proxy.fetch(`${PATH}/kept`)), 200);
    assert.notEqual(await statusOf(await site.proxy.fetch(`${PATH}/lost`)), 200);
    assert.equal(await verdicts(site, "replaced"), 0);
  },
);

Deno.test.each(WAYS)(
  "S08 replaced by another cluster $name: nothing of the former is served",
  async ({ quick }) => {
    await using site = await startFakeSite();
    site.cloud.create("pods", pod("old"));
    site.cloud.create("pods", pod("both"));
    await using watch = new WatchReader(await site.proxy.fetch(`${PATH}?watch=true`));
    await watch.take(2);
    assert.equal(await statusOf(await site.proxy.fetch(`${PATH}/old`)), 200);
    assert.equal(await statusOf(await site.proxy.fetch("/api/v1/services")), 200);
    const before = await list(site);

    await become(site, otherCluster(site.cloud.store.backup()), quick);
    const [end] = await watch.rest();
    assert.deepEqual([end?.type, end?.object.code], ["ERROR", 410]);
    assert.equal(await verdicts(site, "replaced"), 1);
    const after = await list(site);
    assert.deepEqual(namesOf(after), ["both"]);
    assert.notEqual(after.items[0]!.metadata.uid, before.items[0]!.metadata.uid);
    await until("the former state to be set aside", async () => {
      const files = await Array.fromAsync(Deno.readDir(site.proxy.stateDir), ({ name }) => name);
      return files.filter((name) => /^state\.db\.foreign-[-\dTZ]*$/.test(name)).length === 1;
    });

    await cut(site);
    assert.notEqual(await statusOf(await site.proxy.fetch(`${PATH}/old`)), 200);
    assert.equal(await statusOf(await site.proxy.fetch("/api/v1/services")), 504);
    assert.deepEqual(namesOf(await list(site)), ["both"]);
  },
);

Deno.test("S08 the same cluster after an outage is the same", async () => {
  await using site = await startFakeSite();
  site.cloud.create("pods", pod("a"));
  await using watch = new WatchReader(await site.proxy.fetch(`${PATH}?watch=true`));
  await watch.take(1);
  await cut(site);
  site.cloud.create("pods", pod("b"));
  site.link.set({ state: "up" });
  assert.equal((await watch.next())?.type, "ADDED");
  await site.restart();
  await list(site);
  for (const verdict of ["restored", "replaced"]) assert.equal(await verdicts(site, verdict), 0);
});

Deno.test.each([
  { name: "", restart: false },
  { name: ", also when the agent was restarted", restart: true },
])(
  "S08 what was journaled and kept for one cluster is not shown to another$name",
  async ({ restart }) => {
    await using site = await startFakeSite({
      cloud: {
        routes: (app) =>
          app.post(
            "/api/v1/namespaces/:namespace/serviceaccounts/:name/token",
            (c) => c.json({ kind: "TokenRequest", status: { token: "of-the-former" } }, 201),
          ),
      },
    });
    const post = (path: string, body: unknown) =>
      site.proxy.fetch(path, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
    const token = () =>
      post("/api/v1/namespaces/default/serviceaccounts/web/token", { spec: { audiences: ["a"] } });
    assert.equal(await statusOf(await token()), 201);
    await cut(site);
    const event = await post("/api/v1/namespaces/default/events", {
      kind: "Event",
      apiVersion: "v1",
      metadata: { name: "web.1", namespace: "default" },
      involvedObject: { kind: "Pod", namespace: "default", name: "web" },
      reason: "Started",
    });
    assert.equal(await statusOf(event), 201);
    assert.equal(await statusOf(await token()), 201, "while it was the same");
    const backup = otherCluster(site.cloud.store.backup());
    if (restart) await site.restart(() => site.cloud.restart({ backup }));
    else await site.cloud.restart({ backup });
    site.link.set({ state: "up" });
    await until(
      "the other cluster to be noticed",
      async () => await verdicts(site, "replaced") === 1,
    );
    await until(
      "the journal to be empty",
      async () => await site.proxy.metric("edge_agent_proxy_journal_entries_count") === 0,
    );
    assert.equal(
      await site.proxy.metric("edge_agent_proxy_journal_dropped_total", { reason: "replaced" }) +
        await site.proxy.metric("edge_agent_proxy_journal_dropped_total", { reason: "credential" }),
      1,
    );
    const sent = site.cloud.audit.entries.filter(({ resource, verb }) =>
      resource === "events" && verb === "create"
    );
    assert.deepEqual(sent, []);
    await cut(site);
    assert.equal(await statusOf(await token()), 504);
  },
);

Deno.test("S08 nothing is mirrored from a cloud before it is known which one it is", async () => {
  const question = { held: Promise.resolve(), asked: 0 };
  await using site = await startFakeSite({
    cloud: {
      routes: (app) =>
        app.get("/api/v1/namespaces", async (_, next) => {
          question.asked++;
          await question.held;
          await next();
        }),
    },
  });
  site.cloud.create("pods", pod("a"));
  await using watch = new WatchReader(await site.proxy.fetch(`${PATH}?watch=true`));
  await watch.take(1);
  await cut(site);
  const release = Promise.withResolvers<void>();
  question.held = release.promise;
  const before = question.asked;
  const mirrored = () =>
    site.cloud.audit.entries.filter(({ resource, verb }) =>
      resource === "pods" && (verb === "list" || verb === "watch")
    ).length;
  const count = mirrored();
  site.cloud.create("pods", pod("b"));
  site.link.set({ state: "up" });
  await until("the question", () => question.asked > before);
  // A round trip, and another one: whatever mirrors would have begun by now.
  for (let i = 0; i < 3; i++) await statusOf(await site.proxy.fetch(`${PATH}/a`));
  assert.equal(mirrored(), count);
  assert.deepEqual(namesOf(await list(site)), ["a"], "what is known is served on");
  release.resolve();
  assert.equal((await watch.next())?.object.metadata.name, "b");
});
