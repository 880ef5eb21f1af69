import assert from "node:assert/strict";
import { FakeFs } from "../../tests/testing/fake_fs.ts";
import { FakeKernel } from "../../tests/testing/fake_kernel.ts";
import {
  directPeer,
  flannelLink,
  flannelLink6,
  vxlanPeer,
  vxlanPeer6,
} from "../../tests/testing/flannel_network.ts";
import { converge } from "./apply.ts";
import { collect } from "./collect.ts";
import type { ExecResult } from "../platform/exec.ts";

const SUBNET_ENV = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\n" +
  "FLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n";

const RESULT = JSON.stringify({
  kind: "cniCacheV1",
  containerId: "abc",
  ifName: "eth0",
  networkName: "cbr0",
  cniArgs: [["K8S_POD_NAMESPACE", "default"], ["K8S_POD_NAME", "web"], ["K8S_POD_UID", "u1"]],
  result: { ips: [{ version: "4", address: "10.244.1.5/24" }] },
});

const said = (stdout: string): ExecResult => ({ code: 0, stdout, stderr: "" });

/** A host with a whole network, made the way flanneld makes it. */
async function flannelHost(): Promise<FakeKernel> {
  const kernel = new FakeKernel();
  kernel.addCard("eth0", "02:00:00:00:00:01", ["192.168.5.1/24", "fd00:5::1/64"]);
  await converge(kernel, {
    links: [flannelLink(), flannelLink6()],
    peers: [vxlanPeer(2), vxlanPeer6(2), directPeer(3)],
  });
  kernel.programs.set("sysctl", () => said("net.ipv4.ip_forward = 1\n"));
  kernel.programs.set("cat", () => said("vxlan 1 0\nbr_netfilter 1 0 - Live 0x0\next4 1 1\n"));
  kernel.programs.set("ethtool", () => said("tx-checksum-ip-generic: off\n"));
  return kernel;
}

const FILES = {
  "/run/flannel/subnet.env": SUBNET_ENV,
  "/etc/cni/net.d/10-flannel.conflist": "{}",
  "/etc/cni/net.d/notes.txt": "x",
  "/var/lib/cni/results/cbr0-abc-eth0": RESULT,
  "/var/lib/cni/results/cbr0-torn-eth0": "",
};

Deno.test("collect() reads all of a network", async () => {
  const { network, missing } = await collect(await flannelHost(), new FakeFs(FILES));
  assert.deepEqual(missing, {});
  assert.deepEqual(network, {
    underlays: [{ name: "eth0", mac: "02:00:00:00:00:01", mtu: 1500 }],
    links: [flannelLink({ txChecksum: false }), flannelLink6({ txChecksum: false })],
    peers: [vxlanPeer(2), directPeer(3), vxlanPeer6(2)],
    subnetEnv: SUBNET_ENV,
    podCidrs: [],
    files: [{ path: "/etc/cni/net.d/10-flannel.conflist", text: "{}" }],
    bridges: [],
    sysctls: { "net.ipv4.ip_forward": "1" },
    modules: ["br_netfilter", "vxlan"],
    pods: [{
      network: "cbr0",
      namespace: "default",
      name: "web",
      uid: "u1",
      containerId: "abc",
      ifName: "eth0",
      ips: ["10.244.1.5"],
    }],
  });
});

Deno.test("collect() finds the pods of each of libcni's caches that is there", async () => {
  const other = RESULT.replace("abc", "def").replace("web", "api");
  const fs = new FakeFs({ ...FILES, "/var/lib/cni/cache/results/cbr0-def-eth0": other });
  const { network } = await collect(await flannelHost(), fs);
  assert.deepEqual(network.pods.map(({ name }) => name), ["api", "web"]);
});

Deno.test("collect() takes routes of others for no peers", async () => {
  const kernel = await flannelHost();
  const foreign = [
    "route replace 10.9.0.0/16 via 192.168.5.9 dev eth0", // not of the cluster
    "route replace 10.244.1.128/25 via 192.168.5.9 dev eth0", // of this node's own pods
    "route replace 10.244.0.0/8 via 192.168.5.9 dev eth0", // wider than the cluster's
    "route replace 10.244.7.0/24 via 10.244.7.0 dev flannel.1 onlink", // without its neighbour
  ];
  for (const line of foreign) kernel.change("ip", line.split(" "));
  const { network } = await collect(kernel, new FakeFs(FILES));
  assert.deepEqual(network.peers.map(({ subnet }) => subnet), [
    "10.244.2.0/24",
    "10.244.3.0/24",
    "fd00:10:2::/64",
  ]);
});

Deno.test("collect() lets each part fail alone, and says why", async () => {
  const kernel = await flannelHost();
  kernel.programs.set("sysctl", () => {
    throw new Error("no sysctl here");
  });
  const fs = new FakeFs({ ...FILES, "/run/flannel/subnet.env": "FLANNEL_MTU=1450\n" });
  fs.fault = (op, path) => op === "list" && path.includes("results") ? { code: "EIO" } : undefined;
  const { network, missing } = await collect(kernel, fs);
  assert.equal(network.subnetEnv, undefined);
  assert.match(missing.subnetEnv ?? "", /lacks FLANNEL_NETWORK/);
  assert.match(missing.sysctls ?? "", /no sysctl here/);
  assert.match(missing.pods ?? "", /Input\/output error/);
  assert.deepEqual(network.links.length, 2);
});

Deno.test("collect() finds nothing on a host without flannel", async () => {
  const kernel = new FakeKernel();
  kernel.addCard("eth0", "02:00:00:00:00:01", ["192.168.5.1/24"]);
  kernel.programs.set("sysctl", () => said(""));
  kernel.programs.set("cat", () => ({ code: 1, stdout: "", stderr: "" }));
  const { network, missing } = await collect(kernel, new FakeFs());
  assert.deepEqual(missing, {});
  assert.deepEqual([network.links, network.peers, network.pods, network.files], [[], [], [], []]);
});
