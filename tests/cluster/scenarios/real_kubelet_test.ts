import assert from "node:assert/strict";
import { NodeAgent } from "../node/agent.ts";
import { canRunNode } from "../node/can_run_node.ts";
import { Node, NODE_NAME } from "../node/node.ts";
import { createWorkload, deletePod, nodeReady, PASSWORD, POD, podReady } from "../node/workload.ts";
import { until } from "../poll.ts";
import { note, PATIENCE_MS, shareCloud, type Site } from "./site.ts";

const scenario = await shareCloud({ needs: canRunNode });

/** Where every container finds who it is. */
const TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/** A node with an agent that runs and knows the node by its local token, or by its certificate. */
async function bootNode(
  site: Site,
  by: "token" | "certificate" = "token",
): Promise<{ node: Node; agent: NodeAgent }> {
  const { cluster } = site;
  const node = site.use(await Node.boot(cluster));
  const { cert, key } = cluster.certFiles.node;
  const identity = { name: "node", certFile: cert, keyFile: key };
  const commonName = `system:node:${NODE_NAME}`;
  const section = by === "token"
    ? { identities: [identity] }
    : { identities: [{ ...identity, commonName }], clientCA: cluster.caFile };
  const agent = await NodeAgent.install(node.machine, cluster, section);
  await agent.start();
  return { node, agent };
}

scenario(
  "S13 a real kubelet goes on link-down, and starts again after a power cut link-down",
  async (site) => {
    const { cluster, namespace } = site;
    const { node, agent } = await bootNode(site);
    const start = () => node.startKubelet({ kubeconfig: agent.kubeconfig("node") });
    await start();
    await nodeReady(cluster);
    site.use(await createWorkload(cluster, namespace));
    await podReady(cluster, namespace);
    const first = await node.containerOf(POD, POD);
    const token = await node.runInside(first, ["cat", TOKEN]);

    await cluster.link.blackhole();
    await agent.logged("the link is lost");
    await node.killContainer(first);
    const second = await node.containerOf(POD, POD, first);
    await assertMounted(node, second, token);

    await node.powerOff();
    const off = performance.now();
    await node.boot();
    await agent.start();
    await start();
    const third = await node.containerOf(POD, POD, second);
    note(`running ${Math.round(performance.now() - off)} ms after the power came back`);
    await assertMounted(node, third, token);

    // The way back: the cloud hears of all of it.
    await cluster.link.restore();
    await podReady(
      cluster,
      namespace,
      ({ status }) => status.containerStatuses?.[0]?.containerID === `containerd://${third}`,
    );
    await nodeReady(cluster);
    await leaseRenewed(site);
    await eventArrived(site, "SandboxChanged");
    await assertUndisturbed(node);
  },
);

scenario(
  "S14 a real kubelet that rotates its certificate shows nothing else, link-up and link-down",
  async (site) => {
    const { cluster, namespace } = site;
    const { node, agent } = await bootNode(site, "certificate");
    const kubeconfig = await agent.certificateKubeconfig(cluster);
    // With it the kubelet drops any token and speaks by its certificate alone.
    const start = () => node.startKubelet({ kubeconfig, config: { rotateCertificates: true } });
    await start();
    await nodeReady(cluster);
    site.use(await createWorkload(cluster, namespace));
    await podReady(cluster, namespace);
    const before = await node.containerOf(POD, POD);
    const token = await node.runInside(before, ["cat", TOKEN]);

    await cluster.link.blackhole();
    await agent.logged("the link is lost");
    await node.powerOff();
    await node.boot();
    await agent.start();
    await start();
    await assertMounted(node, await node.containerOf(POD, POD, before), token);
    await assertUndisturbed(node);
  },
);

scenario(
  "S03 a pod deleted during an outage ends when the link is back, and another one starts",
  async (site) => {
    const { cluster, namespace } = site;
    const { node, agent } = await bootNode(site);
    await node.startKubelet({ kubeconfig: agent.kubeconfig("node") });
    site.use(await createWorkload(cluster, namespace));
    await podReady(cluster, namespace);
    const old = await node.containerOf(POD, POD);

    await cluster.link.blackhole();
    await agent.logged("the link is lost");
    await deletePod(cluster, namespace);
    await createWorkload(cluster, namespace);
    // It has no way to know.
    assert.deepEqual(await node.runningContainers(POD, POD), [old]);
    await cluster.link.restore();
    await podReady(cluster, namespace);
    await until("the old pod to end", async () => {
      const running = await node.runningContainers(POD, POD);
      return running.length === 1 && running[0] !== old;
    }, { timeoutMs: PATIENCE_MS });
    await assertUndisturbed(node);
  },
);

scenario(
  "S03 a node that was off while its pod was deleted does not start it again, booted link-up",
  async (site) => {
    const { cluster, namespace } = site;
    const { node, agent } = await bootNode(site);
    const start = () => node.startKubelet({ kubeconfig: agent.kubeconfig("node") });
    await start();
    site.use(await createWorkload(cluster, namespace));
    await podReady(cluster, namespace);
    const old = await node.containerOf(POD, POD);
    await node.powerOff();

    await deletePod(cluster, namespace);
    await site.create("later");
    await node.boot();
    await agent.start();
    const from = (await node.kubelet.log()).length;
    await start();
    // A pod of another name shows that the kubelet has seen its pods, and would have started the old.
    site.use(await createWorkload(cluster, "default"));
    await podReady(cluster, "default");
    assert.notEqual((await node.runningContainers(POD, POD))[0], old);
    const log = (await node.kubelet.log()).slice(from);
    assert.match(log, new RegExp(`SyncLoop ADD.*default/${POD}`));
    assert.ok(!new RegExp(`SyncLoop ADD.*${namespace}/${POD}`).test(log), "the old pod came back");
    await assertUndisturbed(node);
  },
);

/** What the pod was given is there: Secret, ConfigMap, and the same token as before. */
async function assertMounted(node: Node, container: string, token: string): Promise<void> {
  const read = (path: string) => node.runInside(container, ["cat", path]);
  assert.equal(await read("/secret/password"), PASSWORD);
  assert.equal(await read("/config/text"), "hello");
  assert.equal(await read(TOKEN), token);
}

/** Waits until the cloud hears from the node again. */
async function leaseRenewed(site: Site): Promise<void> {
  const path = `/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/${NODE_NAME}`;
  const from = Date.now();
  await until("the lease to be renewed", async () => {
    const lease = await site.cloud<{ spec: { renewTime: string } }>(path);
    return Date.parse(lease.spec.renewTime) >= from;
  }, { timeoutMs: PATIENCE_MS });
}

/** Waits until the cloud has an Event about the pod, which the kubelet made link-down. */
async function eventArrived(site: Site, reason: string): Promise<void> {
  const path = `${site.path("events")}?fieldSelector=involvedObject.name%3D${POD}`;
  await until(`the Event ${reason} to arrive`, async () => {
    const { items } = await site.cloud<{ items: { reason: string }[] }>(path);
    return items.some((event) => event.reason === reason);
  }, { timeoutMs: PATIENCE_MS });
}

/** The kubelet runs and was never told what makes it give up. */
async function assertUndisturbed(node: Node): Promise<void> {
  node.kubelet.assertRunning();
  const lines = (await node.kubelet.log()).split("\n");
  // klog's letter of a fatal line; "Unauthorized" makes it exit once its certificate has expired.
  const bad = lines.filter((line) => /^F\d{4} /.test(line) || /Unauthorized/.test(line));
  assert.deepEqual(bad, []);
}
