import type { FakeApiServer } from "./fake_api_server.ts";
import type { KubeObject } from "./fake_resources.ts";

/** The node that the demo plays. */
export const NODE_NAME = "edge-1";
/** The namespace of its workload. */
export const NAMESPACE = "shop";

/** Collections that the programs of a node follow. */
export const FOLLOWED = [
  { path: "/api/v1/pods", resource: "pods" },
  { path: "/api/v1/services", resource: "services" },
  { path: "/api/v1/nodes", resource: "nodes" },
  { path: "/api/v1/configmaps", resource: "configmaps" },
  { path: "/apis/discovery.k8s.io/v1/endpointslices", resource: "endpointslices" },
] as const;

/** Fills a cloud with a small shop at the edge. */
export function seed(cloud: FakeApiServer): void {
  cloud.create("namespaces", { metadata: { name: NAMESPACE }, status: { phase: "Active" } });
  for (const name of [NODE_NAME, "edge-2"]) {
    cloud.create("nodes", {
      metadata: { name, labels: { "kubernetes.io/hostname": name } },
      status: { conditions: [{ type: "Ready", status: "True" }] },
    });
  }
  for (let i = 0; i < 40; i++) cloud.create("pods", podNamed(`web-${i}`, i));
  for (let i = 0; i < 25; i++) {
    const name = `svc-${i}`;
    const metadata = { name, namespace: NAMESPACE };
    const ports = [{ name: "http", port: 80, protocol: "TCP" }];
    cloud.create("services", {
      metadata,
      spec: { clusterIP: `10.96.0.${i + 10}`, selector: { app: name }, ports },
    });
    cloud.create("endpointslices", {
      metadata: { ...metadata, labels: { "kubernetes.io/service-name": name } },
      addressType: "IPv4",
      endpoints: [{
        addresses: [`10.244.1.${i + 10}`],
        conditions: { ready: true },
        nodeName: NODE_NAME,
      }],
      ports,
    });
  }
  for (let i = 0; i < 20; i++) {
    const metadata = { name: `settings-${i}`, namespace: NAMESPACE };
    cloud.create("configmaps", { metadata, data: { "prices.csv": "sku,price\n".repeat(60) } });
  }
}

/** A pod of the shop. */
export function podNamed(name: string, index: number): KubeObject {
  return {
    metadata: { name, namespace: NAMESPACE, labels: { app: `svc-${index % 25}` } },
    spec: {
      nodeName: NODE_NAME,
      containers: [{
        name: "web",
        image: "shop/web:1.4.2",
        env: [{ name: "SITE", value: "store-17" }],
        resources: { requests: { cpu: "50m", memory: "64Mi" } },
      }],
    },
    status: {
      phase: "Running",
      podIP: `10.244.1.${index + 10}`,
      conditions: [{ type: "Ready", status: "True" }],
    },
  };
}

/** A small object of one of the followed resources. */
export function markerOf(resource: string, name: string): KubeObject {
  return { metadata: { name, ...(resource !== "nodes" && { namespace: NAMESPACE }) } };
}
