/**
 * A pod that is bound to the node `edge-1`, with a ServiceAccount of its own. No kubelet runs it.
 *
 * @module
 */

import type { PodReference } from "../asker.ts";
import type { KubeObject, Site } from "./site.ts";

/** The ServiceAccount of every edge pod. */
export const ACCOUNT = "web";

/** Creates the node object, unless it is there, and the account of a test's namespace. */
export async function prepareEdge(site: Site): Promise<void> {
  const node = await site.direct("/api/v1/nodes/edge-1");
  await node.body?.cancel();
  if (node.status === 404) {
    await site.cloud("/api/v1/nodes", post({ metadata: { name: "edge-1" } }));
  }
  await site.cloud(site.path("serviceaccounts"), post({ metadata: { name: ACCOUNT } }));
}

/** Creates a pod that the node must run. */
export async function createEdgePod(site: Site, name: string): Promise<PodReference> {
  const spec = {
    nodeName: "edge-1",
    serviceAccountName: ACCOUNT,
    containers: [{ name: "main", image: "none" }],
  };
  const { metadata: { uid } } = await site.cloud<KubeObject>(
    site.path("pods"),
    post({ metadata: { name }, spec }),
  );
  return { namespace: site.namespace, name, uid };
}

/** The proxy's section with the node's own identity. */
export function nodeIdentity({ cluster }: Site): Record<string, string> {
  const { cert, key } = cluster.certFiles.node;
  return { name: "node", certFile: cert, keyFile: key };
}

function post(body: unknown): RequestInit {
  return { method: "POST", body: JSON.stringify(body) };
}
