import { UnavailableError } from "../kernel/errors.ts";
import { expectSame, expectSameObjects, formatEvent, median } from "./comparison.ts";
import type { DemoClient, KubeList } from "./demo_client.ts";
import { FOLLOWED, markerOf, NAMESPACE, podNamed } from "./seed.ts";
import type { Stage } from "./stage.ts";
import { formatBytes, formatMs } from "./timeline.ts";

const PODS = "/api/v1/pods";
const CONFIG_MAP = `/api/v1/namespaces/${NAMESPACE}/configmaps/settings-3`;
/** Read while the link is up, and again while it is cut. */
const DOCUMENTS = ["/version", "/api", "/apis", "/api/v1", CONFIG_MAP];
/** Nobody ever asked for these. */
const NEVER_SEEN_OBJECT = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/edge-9";
const NEVER_SEEN_LIST = "/apis/apps/v1/deployments";
const LATER_READS = 24;
/** The agent looks for its link every now and then, at most this seldom, ms. */
const RETURN_LIMIT_MS = 40_000;

/** Cloud, agent, the clients of a node. False when the rest makes no sense. */
export async function online(stage: Stage): Promise<boolean> {
  const { timeline, cloud, link } = stage.parts;
  timeline.heading("The link is up");
  const begun = await timeline.step("starting the agent", async () => {
    const url = await stage.startAgent();
    return `an embedded kube-apiserver with ${cloud.store.size} objects, and the agent at ${url}, ` +
      "which has never seen it";
  });
  if (!begun) return false;
  const followed = await timeline.step("listing and watching as kubelet does", async () => {
    const client = stage.client("kubelet/v1.35.0");
    const startMs = stage.parts.clock.monotonic();
    const lists = await Promise.all(stage.followers.map((follower) => follower.list(client)));
    await Promise.all(stage.followers.map((follower) => follower.watch(client)));
    const tookMs = stage.parts.clock.monotonic() - startMs;
    const objects = lists.flat().length;
    stage.figures.cachedObjects = objects;
    stage.figures.bytesFirstSync = link.bytesDown;
    const resources = stage.followers.length;
    return `${objects} objects of ${resources} resources listed and watched in ${formatMs(tookMs)}`;
  });
  await timeline.step("a change in the cloud reaches the watch", async () => {
    const changedMs = stage.parts.clock.monotonic();
    const { metadata } = changePod(stage, "web-1", "Pending");
    await stage.pods.until(
      () => stage.pods.resourceVersion === metadata.resourceVersion,
      "change of web-1",
      stage.parts.answerLimitMs,
    );
    stage.figures.changeMs = stage.pods.events.at(-1)!.atMs - changedMs;
    return `a change in the cloud reached the watch in ${formatMs(stage.figures.changeMs)}`;
  });
  await timeline.step("reading discovery and one object", async () => {
    const client = stage.client("kubectl/v1.35.0");
    for (const path of DOCUMENTS) {
      stage.documents.set(path, JSON.stringify((await client.read(path)).body));
    }
    return `kubectl's discovery and one ConfigMap, ${DOCUMENTS.length} documents, from the cloud`;
  });
  return followed;
}

/** A black hole: cached answers, watches that stay open. */
export async function cut(stage: Stage): Promise<void> {
  const { timeline, link } = stage.parts;
  timeline.heading("The link is cut: packets vanish, and nobody is told");
  link.set({ state: "black-hole" });
  const client = stage.client("kubectl/v1.35.0");
  await timeline.step("the first answer after the cut", async () => {
    const { count, tookMs, warning } = await readPods(stage, client);
    stage.figures.firstAnswerMs = tookMs;
    return `all ${count} pods from the cache after ${formatMs(tookMs)} (budget 3 s)${warning}`;
  });
  await timeline.step(`${LATER_READS} further answers`, async () => {
    const tookMs: number[] = [];
    for (let i = 0; i < LATER_READS; i++) {
      const path = i % 2 === 0 ? CONFIG_MAP : `${PODS}?limit=500&resourceVersion=0`;
      tookMs.push((await client.read(path)).tookMs);
    }
    stage.figures.laterAnswersMs = tookMs;
    return `${LATER_READS} further answers: median ${formatMs(median(tookMs))}, slowest ` +
      `${formatMs(Math.max(...tookMs))} (budget 50 ms)`;
  });
  await timeline.step("the watches", () => {
    expectOpenWatches(stage);
    return `the ${stage.followers.length} watches are still open, and silent`;
  });
}

/** A new agent process that has never seen the cloud. False when it does not start. */
export async function restart(stage: Stage): Promise<boolean> {
  const { timeline, clock } = stage.parts;
  timeline.heading("The agent is restarted, still cut off");
  const restarted = await timeline.step("restarting the agent", async () => {
    await stage.stopAgent();
    const startMs = clock.monotonic();
    await stage.startAgent();
    return `it serves again after ${
      formatMs(clock.monotonic() - startMs)
    }, from what it has on disk`;
  });
  if (!restarted) return false;
  const client = stage.client("a-client-it-never-saw/1.0");
  await timeline.step("the first answer after the restart", async () => {
    const { count, tookMs } = await readPods(stage, client);
    stage.figures.afterRestartMs = tookMs;
    return `a client with a new User-Agent: all ${count} pods after ${formatMs(tookMs)}`;
  });
  await timeline.step("discovery and one object", async () => {
    for (const path of DOCUMENTS) {
      const { body } = await client.read(path);
      expectSame([JSON.stringify(body)], [stage.documents.get(path) ?? "an answer before"], path);
    }
    return "discovery and one ConfigMap: the same documents as before the cut";
  });
  await timeline.step("what it never saw", async () => {
    for (const path of [NEVER_SEEN_OBJECT, NEVER_SEEN_LIST]) {
      const { status, body } = await client.get(path);
      if (status === 504 && body.kind === "Status") continue;
      throw new UnavailableError(`GET ${path} was answered ${status} instead of a 504 Status`);
    }
    return "what it never saw is a 504 Status: not a 404, not an empty list";
  });
  await timeline.step("the watches go on where they were", async () => {
    const client = stage.client("kubelet/v1.35.0");
    await Promise.all(stage.followers.map((follower) => follower.watch(client)));
    expectOpenWatches(stage);
    return `the ${stage.followers.length} watches resumed at their resourceVersion: no 410, no list`;
  });
  return true;
}

/** Changes that the node misses, and gets when the link is back. */
export async function comeBack(stage: Stage): Promise<void> {
  const { timeline, cloud, link, clock, answerLimitMs } = stage.parts;
  timeline.heading("Meanwhile, in the cloud");
  const marks = stage.followers.map(({ events }) => events.length);
  const missed: string[] = [];
  await timeline.step("changes in the cloud", async () => {
    const cached = cloud.store.list(cloud.resource("pods"), "");
    const created = cloud.create("pods", podNamed("web-new", 90));
    const changed = changePod(stage, "web-3", "Succeeded");
    const deleted = cloud.delete("pods", { namespace: NAMESPACE, name: "web-7" });
    for (
      const [type, { metadata }] of [["ADDED", created], ["MODIFIED", changed], [
        "DELETED",
        deleted,
      ]] as const
    ) {
      const { name, resourceVersion = "" } = metadata;
      missed.push(formatEvent({ type, name, resourceVersion }));
    }
    const client = stage.client("kubectl/v1.35.0");
    const { body } = await client.read<KubeList>(PODS);
    expectSameObjects(body.items, cached, "the node's pods");
    return "pod web-new created, web-3 changed, web-7 deleted; the node still knows the old ones";
  });

  timeline.heading("The link is back");
  cloud.audit.clear();
  const bytesBefore = link.bytesDown;
  const backMs = clock.monotonic();
  link.set({ state: "up" });
  const news = (i: number) => stage.followers[i]!.events.slice(marks[i]);
  await timeline.step("the difference, as soon as the agent sees the link", async () => {
    await stage.pods.until(() => news(0).length >= missed.length, "difference", RETURN_LIMIT_MS);
    expectSame(news(0).map(formatEvent), missed, "the watch of pods");
    stage.figures.differenceMs = news(0).at(-1)!.atMs - backMs;
    return `${formatMs(stage.figures.differenceMs)} later the watch has it: ${
      news(0).map(({ type, name }) => `${type} ${name}`).join(", ")
    }`;
  });
  await timeline.step("a last change on each watch, to see that nothing else comes", async () => {
    await Promise.all(FOLLOWED.map(async ({ resource }, i) => {
      const { metadata } = cloud.create(resource, markerOf(resource, "the-end"));
      const follower = stage.followers[i]!;
      const reached = () => follower.resourceVersion === metadata.resourceVersion;
      await follower.until(reached, `last change of ${resource}`, answerLimitMs);
      const last = { type: "ADDED", name: "the-end", resourceVersion: follower.resourceVersion };
      const wanted = [...(resource === "pods" ? missed : []), formatEvent(last)];
      expectSame(news(i).map(formatEvent), wanted, `the watch of ${resource}`);
    }));
    return "and nothing else: not one event too many or twice, on any watch";
  });
  await timeline.step("lists that the cloud had to send", () => {
    const { relists } = cloud.audit;
    stage.figures.relists = relists;
    stage.figures.bytesAfterReturn = link.bytesDown - bytesBefore;
    if (relists > 0) throw new UnavailableError(`the cloud was asked for ${relists} whole lists`);
    return `the cloud had to send no list again: ${
      formatBytes(link.bytesDown - bytesBefore)
    } came ` +
      `down the link, where the first lists took ${formatBytes(stage.figures.bytesFirstSync ?? 0)}`;
  });
  await timeline.step("node and cloud agree", async () => {
    const client = stage.client("kubectl/v1.35.0");
    let objects = 0;
    for (const { path, resource } of FOLLOWED) {
      const { body } = await client.read<KubeList>(`${path}?resourceVersion=0`);
      expectSameObjects(body.items, cloud.store.list(cloud.resource(resource), ""), resource);
      objects += body.items.length;
    }
    return `node and cloud agree on all ${objects} objects`;
  });
}

async function readPods(
  stage: Stage,
  client: DemoClient,
): Promise<{ count: number; tookMs: number; warning: string }> {
  const { cloud } = stage.parts;
  const { body, headers, tookMs } = await client.read<KubeList>(PODS);
  expectSameObjects(body.items, cloud.store.list(cloud.resource("pods"), ""), "the pods");
  const warning = headers.get("warning");
  return {
    count: body.items.length,
    tookMs,
    warning: warning === null ? "" : `, with Warning: ${warning}`,
  };
}

function changePod(stage: Stage, name: string, phase: string) {
  return stage.parts.cloud.update("pods", { namespace: NAMESPACE, name }, (pod) => ({
    ...pod,
    status: { ...pod.status as object, phase },
  }));
}

function expectOpenWatches(stage: Stage): void {
  for (const { open, error, path } of stage.followers) {
    if (error !== undefined) throw new UnavailableError(`the watch of ${path} got ${error}`);
    if (!open) throw new UnavailableError(`the watch of ${path} has ended`);
  }
}
