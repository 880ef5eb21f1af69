/** What kube-flannel's init container writes. */
export const FLANNEL_CONFLIST: string = JSON.stringify(
  {
    name: "cbr0",
    cniVersion: "0.3.1",
    plugins: [
      { type: "flannel", delegate: { hairpinMode: true, isDefaultGateway: true } },
      { type: "portmap", capabilities: { portMappings: true } },
    ],
  },
  null,
  2,
);

/** What flannel CNI keeps of an ADD. */
export function flannelScratch(ipamType: string, network = "cbr0"): string {
  return JSON.stringify({
    cniVersion: "0.3.1",
    name: network,
    type: "bridge",
    mtu: 1450,
    ipMasq: false,
    isGateway: true,
    ipam: {
      type: ipamType,
      ranges: [[{ subnet: "10.244.1.0/24" }]],
      routes: [{ dst: "10.244.0.0/16" }],
    },
  });
}
