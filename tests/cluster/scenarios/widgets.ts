/**
 * Custom resources that make mixing things up easy: a kind of our own, and one whose plural is the
 * core's `configmaps`.
 *
 * @module
 */

import type { Cluster } from "../cluster.ts";
import { until } from "../poll.ts";

/** The group of both. */
export const GROUP = "scenarios.test";

/** Path of a custom collection in a namespace, or of one of its objects. */
export function customPath(namespace: string, plural: "widgets" | "configmaps", name = ""): string {
  return `/apis/${GROUP}/v1/namespaces/${namespace}/${plural}${name && `/${name}`}`;
}

/** Installs the definitions and waits until they serve. */
export async function installWidgets(cluster: Cluster): Promise<void> {
  const kubeconfig = cluster.kubeconfigs.backdoor;
  for (const [plural, kind] of [["widgets", "Widget"], ["configmaps", "FakeMap"]]) {
    const definition = {
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      metadata: { name: `${plural}.${GROUP}` },
      spec: {
        group: GROUP,
        scope: "Namespaced",
        names: { plural, singular: kind!.toLowerCase(), kind, listKind: `${kind}List` },
        versions: [{
          name: "v1",
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: {
              type: "object",
              properties: {
                spec: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
              },
            },
          },
          selectableFields: [],
          additionalPrinterColumns: [{ name: "Size", type: "integer", jsonPath: ".spec.size" }],
        }],
      },
    };
    await cluster.kubectl(["create", "-f", "-"], { kubeconfig, stdin: JSON.stringify(definition) });
  }
  for (const plural of ["widgets", "configmaps"] as const) {
    await until(`the API server to serve ${plural}.${GROUP}`, async (signal) => {
      const path = customPath("default", plural);
      const response = await cluster.fetch(path, { via: "backdoor", signal });
      await response.body?.cancel();
      return response.ok;
    });
  }
}
