import assert from "node:assert/strict";
import type { Informer, InformerLine } from "../informer.ts";
import { until } from "../poll.ts";
import { linkIs, noticeDown, OUTAGES } from "./outage.ts";
import { PROTOBUF } from "./protobuf_client.ts";
import { note, PATIENCE_MS, shareCloud, type Site } from "./site.ts";

const scenario = await shareCloud();

const NAMES = ["changed", "deleted", "kept", "recreated"];

/** Key and version of everything in the test's namespace. */
async function stateOf(site: Site): Promise<Record<string, string>> {
  const { items } = await site.cloud(site.path("configmaps"));
  return Object.fromEntries(items!.map(({ metadata }) => [
    `${metadata.namespace}/${metadata.name}`,
    metadata.resourceVersion,
  ]));
}

/** Waits until an informer believes what is so. */
async function believes(informer: Informer, site: Site): Promise<void> {
  await until("the informer to have caught up", async () => {
    assert.deepEqual((await informer.store()).keys, await stateOf(site));
    return true;
  }, { timeoutMs: PATIENCE_MS });
}

/** What was asked, and what failed. */
const requestsOf = (lines: readonly InformerLine[]) =>
  lines.filter(({ type }) => ["request", "requestError", "watchError"].includes(type));

/** The events of an informer, in their order. */
const eventsOf = (lines: readonly InformerLine[]) =>
  lines.flatMap((line) =>
    line.type === "add" || line.type === "update" || line.type === "delete"
      ? [`${line.type} ${line.key.split("/")[1]}${line.missed ? " (missed)" : ""}`]
      : []
  );

/** `undefined`: client-go's own, which is protobuf, then JSON. */
for (const contentType of [PROTOBUF, undefined]) {
  const name = contentType ?? "client-go's default";
  for (const [how, cut] of Object.entries(OUTAGES)) {
    scenario(
      `S08 a client-go informer (${name}) is held through an outage (${how}): the exact difference`,
      async (site) => {
        await site.createMany(NAMES);
        const proxy = await site.proxy();
        const { cluster, namespace } = site;
        const flags = { resource: "configmaps", namespace, contentType } as const;
        await using informer = cluster.informer({
          ...flags,
          kubeconfig: proxy.kubeconfig("admin"),
        });
        // Never cut: what an informer is told that has no outage.
        await using uncut = cluster.informer({
          ...flags,
          kubeconfig: cluster.kubeconfigs.backdoor,
        });
        for (const each of [informer, uncut]) {
          await each.waitFor((line) => line.type === "synced", PATIENCE_MS);
        }
        const [before, uncutBefore] = [informer, uncut].map(({ lines }) => lines.length);
        const [request] = requestsOf(informer.lines);
        assert.equal(
          request?.type === "request" && request.contentType,
          `${PROTOBUF};stream=watch`,
        );
        await cut(site);
        await linkIs(proxy, "down");
        await site.create("new");
        await site.patch("changed", { data: { text: "once" } });
        await site.patch("changed", { data: { text: "twice" } });
        await site.remove("deleted");
        await site.remove("recreated");
        await site.create("recreated");
        await cluster.link.restore();
        await believes(informer, site);
        await believes(uncut, site);
        assert.deepEqual(
          eventsOf(informer.lines.slice(before)),
          eventsOf(uncut.lines.slice(uncutBefore)),
        );
        assert.deepEqual(requestsOf(informer.lines.slice(before)), []);
      },
    );
  }

  scenario(`S09 a client-go informer (${name}) syncs link-down from protobuf`, async (site) => {
    await site.createMany(NAMES);
    const stateDir = await site.directory();
    const { cluster, namespace } = site;
    const flags = { resource: "configmaps", namespace, contentType } as const;
    {
      await using proxy = await site.proxy({}, { stateDir });
      await using informer = cluster.informer({ ...flags, kubeconfig: proxy.kubeconfig("admin") });
      await informer.waitFor((line) => line.type === "synced", PATIENCE_MS);
    }
    // Node and agent are switched on again without a link.
    await cluster.link.blackhole();
    const proxy = await site.proxy({}, { stateDir });
    await noticeDown(proxy);
    const started = performance.now();
    await using informer = cluster.informer({ ...flags, kubeconfig: proxy.kubeconfig("admin") });
    await informer.waitFor((line) => line.type === "synced");
    const syncedMs = Math.round(performance.now() - started);
    note(`synced ${syncedMs} ms after its start`);
    assert.ok(syncedMs < 2_000, `${syncedMs} ms`);
    assert.deepEqual((await informer.store()).keys, await stateOf(site));
    const [request, ...more] = requestsOf(informer.lines);
    assert.deepEqual(
      request?.type === "request" && [request.contentType, /sendInitialEvents/.test(request.url)],
      [`${PROTOBUF};stream=watch`, true],
    );
    assert.deepEqual(more, []);
  });
}
