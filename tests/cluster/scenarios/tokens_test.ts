import assert from "node:assert/strict";
import type { Asker, PodReference } from "../asker.ts";
import { until } from "../poll.ts";
import { ACCOUNT, createEdgePod, nodeIdentity, prepareEdge } from "./edge_pod.ts";
import { noticeDown, OUTAGES } from "./outage.ts";
import { PATIENCE_MS, shareCloud, type Site } from "./site.ts";

const scenario = await shareCloud();

const PROTOBUF = "application/vnd.kubernetes.protobuf";

/** Requests a token until the node authorizer has learnt of the pod. */
async function firstToken(asker: Asker, pod: PodReference): Promise<string> {
  return await until("a token", async () => (await asker.token(ACCOUNT, pod)).token, {
    timeoutMs: PATIENCE_MS,
  });
}

/** What the cloud itself says of a token. */
async function reviewed(site: Site, token: string) {
  return await site.cloud<{ status: { authenticated?: boolean; user?: { username: string } } }>(
    "/apis/authentication.k8s.io/v1/tokenreviews",
    {
      method: "POST",
      body: JSON.stringify({
        kind: "TokenReview",
        apiVersion: "authentication.k8s.io/v1",
        spec: { token },
      }),
    },
  );
}

for (const outage of ["refused", "black-holed"] as const) {
  scenario(
    `S15 a node restarted with the link ${outage} gets each pod's last real token`,
    async (site) => {
      await prepareEdge(site);
      const [pod, other] = [await createEdgePod(site, "web"), await createEdgePod(site, "db")];
      const stateDir = await site.directory();
      const identities = [nodeIdentity(site)];
      const first = await site.proxy({ identities }, { stateDir });
      const asker = site.use(site.cluster.asker(first.kubeconfig("node")));
      await firstToken(asker, pod);
      // The kubelet renews it: the last one counts.
      const token = await firstToken(asker, pod);
      assert.equal((await reviewed(site, token)).status.authenticated, true);
      assert.equal(asker.requests("POST").at(-1)?.sent, PROTOBUF);

      await OUTAGES[outage](site);
      await first.stop();
      const proxy = await site.proxy({ identities }, { stateDir });
      const again = site.use(site.cluster.asker(proxy.kubeconfig("node")));
      assert.equal((await again.token(ACCOUNT, pod)).token, token);
      const [answer] = again.requests("POST");
      assert.deepEqual([answer?.status, answer?.got], [201, PROTOBUF]);
      // Nobody ever asked for this one, nor for the next pod of that name.
      for (const pod of [other, { ...other, name: "web" }]) {
        assert.match((await again.token(ACCOUNT, pod)).error ?? "", /can not be reached/);
        assert.equal(again.requests("POST").at(-1)?.status, 504);
      }
      const account = await proxy.fetch(site.path("serviceaccounts"), {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ metadata: { name: ACCOUNT } }),
      });
      assert.equal(account.status, 503);
      await account.body?.cancel();

      await site.cluster.link.restore();
      await until("a new token", async () => {
        const { token: newer } = await again.token(ACCOUNT, pod);
        return newer !== undefined && newer !== token;
      }, { timeoutMs: PATIENCE_MS });
    },
  );
}

scenario("S15 the token of a pod that is gone is not given any more", async (site) => {
  await prepareEdge(site);
  const pod = await createEdgePod(site, "web");
  const proxy = await site.proxy({ identities: [nodeIdentity(site)] });
  const asker = site.use(site.cluster.asker(proxy.kubeconfig("node")));
  await firstToken(asker, pod);
  await site.cloud(site.path("pods", "web"), {
    method: "DELETE",
    body: JSON.stringify({ gracePeriodSeconds: 0 }),
  });
  // The node authorizer answers 403 once it has learnt of it, which says nothing about the token; the
  // administrator's question reaches the registry, which says 404.
  const asAdmin = await site.proxy();
  const ask = () =>
    asAdmin.fetch(`${site.path("serviceaccounts", ACCOUNT)}/token`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        spec: { boundObjectRef: { kind: "Pod", apiVersion: "v1", name: "web", uid: pod.uid } },
      }),
    });
  const gone = await ask();
  assert.equal(gone.status, 404);
  await gone.body?.cancel();
  await site.cluster.link.refuse();
  const offline = await ask();
  assert.equal(offline.status, 504);
  await offline.body?.cancel();
});

scenario("S15 a kubelet's own callers are known link-down, as they were just now", async (site) => {
  await prepareEdge(site);
  const pod = await createEdgePod(site, "web");
  const proxy = await site.proxy({ identities: [nodeIdentity(site)] });
  const asker = site.use(site.cluster.asker(proxy.kubeconfig("node")));
  const token = await firstToken(asker, pod);
  const online = await asker.review(token);
  assert.deepEqual([online.authenticated, online.user], [
    true,
    `system:serviceaccount:${site.namespace}:${ACCOUNT}`,
  ]);
  await site.cluster.link.refuse();
  await noticeDown(proxy);
  assert.deepEqual(await asker.review(token), online);
  const stranger = await asker.review(`${token}x`);
  assert.match(stranger.error ?? "", /can not be reached/);
});
