import assert from "node:assert/strict";
import { KUBELET_CERTIFICATE, NodeAgent } from "../node/agent.ts";
import { canRunNode } from "../node/can_run_node.ts";
import { Node, NODE_NAME } from "../node/node.ts";
import { createWorkload, nodeReady, POD, podReady } from "../node/workload.ts";
import { shareCloud, type Site } from "./site.ts";

/** Those who give a node its certificate, and the one that every cloud of the tests waits for. */
const CONTROLLERS = [
  "certificatesigningrequest-approving-controller",
  "certificatesigningrequest-signing-controller",
  "serviceaccount-controller",
];

const scenario = await shareCloud({
  needs: canRunNode,
  controllerManager: true,
  extraArguments: {
    "kube-apiserver": ["--enable-bootstrap-token-auth"],
    "kube-controller-manager": [`--controllers=${CONTROLLERS.join(",")}`],
  },
});

/** What `kubeadm init` leaves in a cluster for nodes that join; returns the token. */
async function allowJoining(site: Site): Promise<string> {
  const [id, secret] = ["abcdef", "0123456789abcdef"];
  const post = (path: string, body: Record<string, unknown>) =>
    site.cloud(path, { method: "POST", body: JSON.stringify(body) });
  await post("/api/v1/namespaces/kube-system/secrets", {
    metadata: { name: `bootstrap-token-${id}` },
    type: "bootstrap.kubernetes.io/token",
    stringData: {
      "token-id": id,
      "token-secret": secret,
      "usage-bootstrap-authentication": "true",
    },
  });
  for (
    const role of [
      "system:node-bootstrapper",
      "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
    ]
  ) {
    const apiGroup = "rbac.authorization.k8s.io";
    await post(`/apis/${apiGroup}/v1/clusterrolebindings`, {
      metadata: { name: `joining-${role}` },
      roleRef: { apiGroup, kind: "ClusterRole", name: role },
      subjects: [{ apiGroup, kind: "Group", name: "system:bootstrappers" }],
    });
  }
  return `${id}.${secret}`;
}

scenario(
  "S14 a new node joins through the agent by a bootstrap token, and shares its certificate with it",
  async (site) => {
    const { cluster, namespace } = site;
    const token = await allowJoining(site);
    const node = site.use(await Node.boot(cluster));
    const agent = await NodeAgent.install(node.machine, cluster, {
      clientCA: cluster.caFile,
      // Not there yet: the kubelet gets it through this very agent.
      identities: [{
        name: "node",
        certFile: KUBELET_CERTIFICATE,
        commonName: `system:node:${NODE_NAME}`,
      }],
    });
    await agent.start();
    const bootstrapKubeconfig = await agent.tokenKubeconfig(token);
    const start = () =>
      node.startKubelet({ bootstrapKubeconfig, config: { rotateCertificates: true } });
    await start();
    await nodeReady(cluster);
    site.use(await createWorkload(cluster, namespace));
    await podReady(cluster, namespace);
    const before = await node.containerOf(POD, POD);

    await cluster.link.blackhole();
    await agent.logged("the link is lost");
    await node.powerOff();
    await node.boot();
    await agent.start();
    await start();
    await node.containerOf(POD, POD, before);
    node.kubelet.assertRunning();
    const log = await node.kubelet.log();
    assert.doesNotMatch(log, /^F\d{4} |Unauthorized/m);
  },
);
