import assert from "node:assert/strict";
import { KUBE_PROXY_STARTUP, KUBELET_STARTUP } from "../../testing/startup/recording.ts";
import {
  describe,
  isWatch,
  replay,
  type Replayed,
  type SendRequest,
} from "../../testing/startup/replay.ts";
import { CloudClient } from "../cloud_client.ts";
import { NODE_NAME } from "../node/node.ts";
import { createWorkload, POD, readPod } from "../node/workload.ts";
import { until } from "../poll.ts";
import { noticeDown, OUTAGES } from "./outage.ts";
import { PATIENCE_MS, shareCloud, type Site } from "./site.ts";

const scenario = await shareCloud({
  // The API server makes its own Service a moment after it is ready.
  prepare: (cluster) =>
    until("the Service of the API server", async () => {
      const path = "/api/v1/namespaces/default/services/kubernetes";
      const { ok, body } = await cluster.fetch(path);
      await body?.cancel();
      return ok;
    }).then(() => {}),
});
const { starts, userAgent } = KUBELET_STARTUP;
/** The recorded paths have it. */
const NAMESPACE = "default";

const EVENTS = `/api/v1/namespaces/${NAMESPACE}/events`;

/** What the kubelet left behind, so that a further first start is a first one. */
const TRACES = [
  `/api/v1/namespaces/${NAMESPACE}/pods/${POD}?gracePeriodSeconds=0`,
  `/api/v1/nodes/${NODE_NAME}`,
  `/apis/storage.k8s.io/v1/csinodes/${NODE_NAME}`,
  `/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/${NODE_NAME}`,
  EVENTS,
];

/** Replays both starts, and between them a pod is bound to the new node. */
async function startTwice(site: Site, send: SendRequest): Promise<Replayed[]> {
  for (const path of TRACES) {
    await (await site.direct(path, { method: "DELETE" })).body?.cancel();
  }
  const first = await replay(starts["a new node"], { send, podUid: "", userAgent });
  site.use(await createWorkload(site.cluster, NAMESPACE));
  const podUid = (await readPod(site.cluster, NAMESPACE)).metadata.uid;
  // A watch cache, the cloud's or the agent's, sees a write a moment after its author.
  await until("the node and its pod to be seen", async () => {
    const watches = starts["a restart with a pod"].filter(({ path }) =>
      /^\/api\/v1\/(nodes|pods)\?/.test(path)
    );
    const seen = await replay(watches, { send, podUid, userAgent });
    return seen.every(({ events }) => events?.[0]?.type === "ADDED");
  }, { timeoutMs: PATIENCE_MS });
  return [...first, ...await replay(starts["a restart with a pod"], { send, podUid, userAgent })];
}

/** The node as the cloud knows it. */
async function nodeItself(site: Site): Promise<SendRequest> {
  const { cluster } = site;
  const client = site.use(await CloudClient.open(cluster.caFile, cluster.certFiles.node));
  return (path, init) => client.fetch(cluster.server + path, init);
}

function nodeProxy(site: Site, options: { stateDir?: string } = {}) {
  const { cert, key } = site.cluster.certFiles.node;
  return site.proxy({ identities: [{ name: "node", certFile: cert, keyFile: key }] }, options);
}

const essence = ({ request, status, mediaType, object, events }: Replayed) => ({
  request: describe(request),
  ...{ status, mediaType, object, events },
});

scenario(
  "S01 a kubelet's recorded start-up is answered by the agent as by the cloud",
  async (site) => {
    const real = await startTwice(site, await nodeItself(site));
    const recorded = [...starts["a new node"], ...starts["a restart with a pod"]];
    const proxy = await nodeProxy(site);
    const agent = await startTwice(site, proxy.fetch);
    for (const [i, { request, status }] of real.entries()) {
      // Its body has a resourceVersion of the recording, so the cloud refuses it.
      const wanted = request.method === "PUT" ? 409 : recorded[i]!.status;
      assert.equal(status, wanted, describe(request));
    }
    assert.deepEqual(agent.map(essence), real.map(essence));
  },
);

for (const [how, breakLink] of Object.entries(OUTAGES)) {
  scenario(`S13 a kubelet's recorded start-up is answered link-down (${how})`, async (site) => {
    const stateDir = await site.directory();
    const before = await nodeProxy(site, { stateDir });
    await startTwice(site, before.fetch);
    const podUid = (await readPod(site.cluster, NAMESPACE)).metadata.uid;
    const requests = starts["a restart with a pod"];
    const up = await replay(requests, { send: before.fetch, podUid, userAgent });
    await breakLink(site);
    await noticeDown(before);
    assertOffline(await replay(requests, { send: before.fetch, podUid, userAgent }), up);
    await before.stop();
    const after = await nodeProxy(site, { stateDir });
    await noticeDown(after);
    assertOffline(await replay(requests, { send: after.fetch, podUid, userAgent }), up);
  });
}

/** Who kube-proxy is in every cluster: RBAC knows it by this name. */
const KUBE_PROXY = "system:kube-proxy";

for (const [how, breakLink] of Object.entries(OUTAGES)) {
  scenario(
    `S13 a kube-proxy's recorded start-up is answered as by the cloud, and link-down (${how})`,
    async (site) => {
      const { cluster } = site;
      const { certFiles } = await cluster.addUser(KUBE_PROXY);
      const node = { method: "POST", body: JSON.stringify({ metadata: { name: NODE_NAME } }) };
      await (await site.direct("/api/v1/nodes", node)).body?.cancel();
      const start = async (send: SendRequest) => {
        await (await site.direct(EVENTS, { method: "DELETE" })).body?.cancel();
        const { starts, userAgent } = KUBE_PROXY_STARTUP;
        return await replay(starts["a start"], { send, podUid: "", userAgent });
      };
      const client = site.use(await CloudClient.open(cluster.caFile, certFiles));
      const real = await start((path, init) => client.fetch(cluster.server + path, init));
      const { cert, key } = certFiles;
      const proxy = await site.proxy({
        identities: [{ name: "kube-proxy", certFile: cert, keyFile: key }],
      });
      const up = await start(proxy.fetch);
      assert.deepEqual(up.map(essence), real.map(essence));
      await breakLink(site);
      await noticeDown(proxy);
      assertOffline(await start(proxy.fetch), up);
    },
  );
}

/** What is answered link-down as the cloud would, besides reads: Events, tokens, reviews. */
const ANSWERED_OFFLINE = /\/events(\/|$)|\/token$|\/subjectaccessreviews$/;

/** Whatever is known is answered, whatever can't be done is said so, and nothing sends a client away. */
function assertOffline(down: readonly Replayed[], up: readonly Replayed[]): void {
  for (const [i, answer] of down.entries()) {
    const { request, status, mediaType, object, events, retryAfter } = answer;
    const what = `${describe(request)}: ${JSON.stringify(object ?? events)}`;
    assert.equal(retryAfter, null, what);
    if (isWatch(request)) assert.ok(events!.at(-1)!.endsInitialEvents, what);
    if (request.method === "GET" || ANSWERED_OFFLINE.test(request.path)) {
      // An Event that was created link-up is created again by the replay.
      assert.equal(status, up[i]!.status === 409 ? 201 : up[i]!.status, what);
      if (status !== 201) assert.deepEqual([object, events], [up[i]!.object, up[i]!.events], what);
      assert.notEqual(object?.kind, "Status", what);
    } else {
      assert.deepEqual([status, object?.reason], [503, "ServiceUnavailable"], what);
    }
    // Every client takes JSON as well; what was kept is in the encoding it came in.
    if (mediaType !== "application/json" || request.method === "GET") {
      assert.equal(mediaType, up[i]!.mediaType, what);
    }
  }
}
