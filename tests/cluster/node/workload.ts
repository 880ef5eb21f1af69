/**
 * A pod that needs what real pods need: a ServiceAccount's token, a Secret and a ConfigMap.
 *
 * @module
 */

import type { Cluster } from "../cluster.ts";
import { until } from "../poll.ts";
import { IMAGE } from "./image.ts";
import { NODE_NAME } from "./node.ts";

/** Name of the pod and of all that belongs to it, and of its one container. */
export const POD = "web";
/** Where its server listens, in the pod's own network. */
export const POD_PORT = 8080;
/** What the Secret holds. */
export const PASSWORD = "correct horse";

/** What is looked at of a pod. */
export interface PodState {
  readonly metadata: { readonly uid: string };
  readonly status: {
    readonly phase: string;
    readonly podIP?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses?: readonly {
      readonly containerID?: string;
      readonly restartCount: number;
    }[];
  };
}

/** Prints what was mounted, serves it, and then repeats whatever it is told. */
const SCRIPT = `
  echo "started with $(cat /secret/password) and $(cat /config/text)"
  httpd -f -p ${POD_PORT} -h /config &
  exec cat
`;

/**
 * Creates a pod for the node, with everything it refers to, by the back door. It is bound by its author,
 * so no scheduler is needed. Disposing deletes it without asking the node, which may be gone.
 */
export async function createWorkload(
  cluster: Cluster,
  namespace: string,
  { token = true }: { token?: boolean } = {},
): Promise<AsyncDisposable> {
  const metadata = { name: POD, namespace };
  const volume = (name: string, source: Record<string, unknown>) => ({ name, ...source });
  // Without the controller manager nobody makes what every namespace has.
  await createIfMissing(cluster, namespace, "serviceaccounts", { metadata: { name: "default" } });
  await createIfMissing(cluster, namespace, "configmaps", {
    metadata: { name: "kube-root-ca.crt" },
    data: { "ca.crt": await Deno.readTextFile(cluster.caFile) },
  });
  await createIfMissing(cluster, namespace, "secrets", {
    metadata,
    stringData: { password: PASSWORD },
  });
  await createIfMissing(cluster, namespace, "configmaps", {
    metadata,
    data: { text: "hello", "index.html": "hello" },
  });
  await createIfMissing(cluster, namespace, "pods", {
    metadata,
    spec: {
      nodeName: NODE_NAME,
      automountServiceAccountToken: token,
      terminationGracePeriodSeconds: 0,
      containers: [{
        name: POD,
        image: IMAGE,
        imagePullPolicy: "Never",
        command: ["/bin/sh", "-c", SCRIPT],
        stdin: true,
        env: [{
          name: "PASSWORD",
          valueFrom: { secretKeyRef: { name: POD, key: "password" } },
        }],
        volumeMounts: [
          { name: "secret", mountPath: "/secret" },
          { name: "config", mountPath: "/config" },
        ],
      }],
      volumes: [
        volume("secret", { secret: { secretName: POD } }),
        volume("config", { configMap: { name: POD } }),
      ],
    },
  });
  return { [Symbol.asyncDispose]: () => deletePod(cluster, namespace) };
}

/** Deletes the pod from the cloud without asking the node; one that is gone is fine. */
export async function deletePod(cluster: Cluster, namespace: string): Promise<void> {
  const path = `/api/v1/namespaces/${namespace}/pods/${POD}?gracePeriodSeconds=0`;
  const response = await cluster.fetch(path, { via: "backdoor", method: "DELETE" });
  await response.body?.cancel();
}

/** The pod as the cloud knows it. */
export async function readPod(cluster: Cluster, namespace: string): Promise<PodState> {
  const response = await cluster.fetch(`/api/v1/namespaces/${namespace}/pods/${POD}`, {
    via: "backdoor",
  });
  return await response.json();
}

/** Waits until the cloud knows that the pod is ready, and is as else is wanted. */
export async function podReady(
  cluster: Cluster,
  namespace: string,
  wanted: (pod: PodState) => boolean = () => true,
): Promise<PodState> {
  let last: unknown;
  return await until(`the pod ${namespace}/${POD} to be ready`, async () => {
    const pod = await readPod(cluster, namespace);
    last = pod.status;
    const ready = pod.status.conditions?.some(({ type, status }) =>
      type === "Ready" && status === "True"
    );
    return ready && wanted(pod) ? pod : undefined;
  }, { timeoutMs: 90_000, intervalMs: 200 }).catch((error) => {
    throw new Error(`${error.message}; it is ${JSON.stringify(last)}`, { cause: error });
  });
}

/** Waits until the cloud knows that the node is ready. */
export async function nodeReady(cluster: Cluster): Promise<void> {
  await until(`the node ${NODE_NAME} to be ready`, async () => {
    const response = await cluster.fetch(`/api/v1/nodes/${NODE_NAME}`, { via: "backdoor" });
    const { status } = await response.json();
    return (status.conditions as { type: string; status: string }[] | undefined)?.some((each) =>
      each.type === "Ready" && each.status === "True"
    );
  }, { timeoutMs: 90_000, intervalMs: 200 });
}

async function createIfMissing(
  cluster: Cluster,
  namespace: string,
  resource: string,
  body: Record<string, unknown>,
): Promise<void> {
  const path = `/api/v1/namespaces/${namespace}/${resource}`;
  const response = await cluster.fetch(path, {
    via: "backdoor",
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (response.ok || response.status === 409) return;
  throw new Error(`Cannot create one of ${resource}: ${response.status} ${text}`);
}
