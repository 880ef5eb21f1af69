/**
 * Records how the real kubelet and the real kube-proxy start, into `tests/fixtures`:
 * `deno task record:startup`, as root.
 *
 * @module
 */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type {
  KubeletRecording,
  KubeProxyRecording,
  Recording,
} from "../../testing/startup/recording.ts";
import { type Cluster, startCluster } from "../cluster.ts";
import { until } from "../poll.ts";
import { Process } from "../process.ts";
import { Node, NODE_NAME } from "./node.ts";
import { normalize, readReplacements } from "./normalize.ts";
import { type Recorded, type Recorder, startRecorder } from "./recorder.ts";
import { createWorkload, nodeReady, POD, podReady } from "./workload.ts";

const RECORDED_WITH = "deno task record:startup";

/** Starts a node twice, the second time with a pod, and returns the requests of its kubelet. */
async function recordKubelet(cluster: Cluster): Promise<KubeletRecording> {
  await using node = await Node.boot(cluster);
  await using recorder = await startRecorder(cluster, {
    certFiles: cluster.certFiles.node,
    hostname: "127.0.0.1",
  });
  const { kubeconfig } = recorder;
  const has = (wanted: (record: Recorded) => boolean, from = 0) => sees(recorder, wanted, from);
  const isNodeStatus = ({ method, path }: Recorded) =>
    method === "PATCH" && path.startsWith("/api/v1/nodes/");
  const renewsLease = ({ method, path }: Recorded) => method === "PUT" && path.includes("/leases/");

  await node.startKubelet({ kubeconfig });
  await nodeReady(cluster);
  await has(isNodeStatus);
  await has(renewsLease);
  const first = recorder.records.length;

  await using _workload = await createWorkload(cluster, "default");
  const pod = await podReady(cluster, "default");
  await node.powerOff();
  const second = recorder.records.length;
  await node.boot();
  await node.startKubelet({ kubeconfig });
  await podReady(
    cluster,
    "default",
    ({ status }) => status.containerStatuses?.[0]?.restartCount === 1,
  );
  // It asks the API server whether those who call it may.
  await cluster.kubectl(["logs", POD], { kubeconfig: cluster.kubeconfigs.backdoor });
  await has(isNodeStatus, second);
  await has(renewsLease, second);

  const replacements = await readReplacements(pod.metadata.uid);
  const starts = {
    "a new node": normalize(recorder.records.slice(0, first), replacements),
    "a restart with a pod": normalize(recorder.records.slice(second), replacements),
  };
  return { recordedWith: RECORDED_WITH, userAgent: recorder.records[0]!.userAgent, starts };
}

/**
 * Starts a kube-proxy in the cloud's own namespace, whose rules it may change, for the node that the
 * kubelet has registered.
 */
async function recordKubeProxy(cluster: Cluster): Promise<KubeProxyRecording> {
  const { certFiles } = await cluster.addUser("system:kube-proxy");
  await using recorder = await startRecorder(cluster, {
    certFiles,
    hostname: cluster.nodeAddress,
  });
  const config = join(cluster.folder, "kube-proxy.json");
  await writeFile(
    config,
    JSON.stringify({
      apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
      kind: "KubeProxyConfiguration",
      clientConnection: { kubeconfig: recorder.kubeconfig },
      hostnameOverride: NODE_NAME,
      // The host's limits are not ours.
      conntrack: { maxPerCore: 0 },
    }),
  );
  const process = new Process({
    name: "kube-proxy",
    argv: [cluster.bin("kube-proxy"), `--config=${config}`],
    logFile: join(cluster.folder, "kube-proxy.log"),
    namespace: cluster.namespace,
  });
  try {
    await sees(recorder, ({ path }) => path.includes("/endpointslices?"), 0, process);
    await sees(recorder, ({ path }) => path.includes("/servicecidrs?"), 0, process);
    await sees(recorder, ({ method }) => method === "POST", 0, process);
  } finally {
    await process.stop("SIGKILL");
  }
  return {
    recordedWith: RECORDED_WITH,
    userAgent: recorder.records[0]!.userAgent,
    starts: { "a start": normalize(recorder.records, await readReplacements()) },
  };
}

/** Waits for a request of a process that is still there. */
async function sees(
  recorder: Recorder,
  wanted: (record: Recorded) => boolean,
  from = 0,
  process?: Process,
): Promise<void> {
  await until("a request", () => {
    process?.assertRunning();
    return recorder.records.slice(from).some(wanted);
  }, { timeoutMs: 60_000 });
}

async function save(name: string, recording: Recording): Promise<void> {
  const path = fileURLToPath(new URL(`../../fixtures/${name}.json`, import.meta.url));
  await writeFile(path, JSON.stringify(recording, null, 2) + "\n");
  const count = Object.values(recording.starts).reduce((sum, { length }) => sum + length, 0);
  const text = `${count} requests of ${recording.userAgent}\n`;
  await Deno.stdout.write(new TextEncoder().encode(text));
}

if (import.meta.main) {
  await using cluster = await startCluster({ controllerManager: false });
  await save("kubelet_startup", await recordKubelet(cluster));
  await save("kube_proxy_startup", await recordKubeProxy(cluster));
}
