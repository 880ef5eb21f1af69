import { type Endpoint, HTTP, pod, service, slice } from "./dns_cluster.ts";

const named = (name: string, ip: string): Endpoint => ({ addresses: [ip], hostname: name });

/** What the tables of the specification and of CoreDNS are about. */
export const SPECIFICATION_CLUSTER = {
  namespaces: ["testns", "podns", "svcns", "kube-system"],
  services: [
    service("testns", "svc1", { clusterIP: "10.0.0.1", ports: [HTTP] }),
    service("testns", "svcempty", { clusterIP: "10.0.0.2", ports: [HTTP] }),
    service("testns", "svc6", { clusterIP: "1234:abcd::1", ports: [HTTP] }),
    service("testns", "hdls1", { clusterIP: "None" }),
    service("testns", "hdlsprtls", { clusterIP: "None" }),
    service("testns", "hdlsempty", { clusterIP: "None", ports: [HTTP] }),
    service("testns", "portless", { clusterIP: "10.0.0.9" }),
    service("testns", "unnamed", { clusterIP: "10.0.0.8", ports: [{ protocol: "TCP", port: 81 }] }),
    service("testns", "external", {
      type: "ExternalName",
      externalName: "ext.interwebs.test",
      ports: [HTTP],
    }),
    service("testns", "external-to-service", {
      type: "ExternalName",
      externalName: "svc1.testns.svc.cluster.local.",
    }),
    service("testns", "external-ip", { type: "ExternalName", externalName: "10.9.9.9" }),
    service("testns", "svc-dual-stack", {
      clusterIP: "10.0.0.3",
      clusterIPs: ["10.0.0.3", "10::3"],
      ports: [HTTP],
    }),
    service("testns", "two-ports", {
      clusterIP: "10.0.0.4",
      ports: [HTTP, { name: "dns", protocol: "UDP", port: 53 }],
    }),
    service("kube-system", "kubedns", {
      clusterIP: "10.0.0.10",
      ports: [{ name: "dns", protocol: "UDP", port: 53 }],
    }),
  ],
  slices: [
    slice("testns", "svc1-a", "svc1", [named("ep1a", "172.0.0.1")], [HTTP]),
    slice("testns", "svcempty-a", "svcempty", [], [HTTP]),
    slice("testns", "hdls1-a", "hdls1", [
      "172.0.0.2",
      "172.0.0.3",
      named("dup-name", "172.0.0.4"),
      named("dup-name", "172.0.0.5"),
      "5678:abcd::1",
      "5678:abcd::2",
    ], [HTTP]),
    slice("testns", "hdlsprtls-a", "hdlsprtls", ["172.0.0.20"]),
    slice("testns", "hdlsempty-a", "hdlsempty", [
      { addresses: ["172.0.0.30"], conditions: { ready: false } },
    ], [HTTP]),
  ],
  pods: [pod("podns", "foo", "10.240.0.1"), pod("podns", "done", "10.240.0.9", "Succeeded")],
};
