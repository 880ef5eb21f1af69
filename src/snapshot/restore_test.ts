import assert from "node:assert/strict";
import { FakeClock } from "../../tests/testing/fake_clock.ts";
import { FakeFs } from "../../tests/testing/fake_fs.ts";
import { FakeKernel } from "../../tests/testing/fake_kernel.ts";
import { flannelLink, networkOf, vxlanPeer } from "../../tests/testing/flannel_network.ts";
import type { ExecResult } from "../platform/exec.ts";
import { describeRestore, restoreNetwork } from "./restore.ts";

const SUBNET_ENV = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\n" +
  "FLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n";
const PATH = "/run/flannel/subnet.env";

const NETWORK = networkOf({
  links: [flannelLink({ txChecksum: false })],
  peers: [vxlanPeer(2), vxlanPeer(3)],
  subnetEnv: SUBNET_ENV,
  podCidrs: ["10.244.1.0/24"],
  sysctls: { "net.ipv4.ip_forward": "1", "net.bridge.bridge-nf-call-iptables": "1" },
  modules: ["br_netfilter", "vxlan"],
});

/** A host right after its boot: forwarding is off, nothing is loaded, checksums are on. */
class BootedHost {
  readonly kernel = new FakeKernel();
  readonly fs = new FakeFs();
  readonly clock = new FakeClock();
  readonly sysctls = new Map([["net.ipv4.ip_forward", "0"]]);
  readonly modules = new Set(["vxlan"]);
  checksum = "on";

  constructor(addresses: readonly string[] = ["192.168.5.1/24"], card = "eth0") {
    const { programs } = this.kernel;
    this.kernel.addCard(card, "02:00:00:00:00:01", addresses);
    programs.set("cat", () => said([...this.modules].map((name) => `${name} 1 0\n`).join("")));
    programs.set("modprobe", ([name]) => {
      this.modules.add(name!);
      // It brings its settings, as its build or a file of the host has them.
      if (name === "br_netfilter") this.sysctls.set("net.bridge.bridge-nf-call-iptables", "0");
      return said("");
    });
    programs.set("sysctl", (args) => {
      if (args.includes("-w")) {
        const [name, value] = args.at(-1)!.split("=");
        this.sysctls.set(name!, value!);
      }
      return said([...this.sysctls].map(([name, value]) => `${name} = ${value}\n`).join(""));
    });
    programs.set("ethtool", (args) => {
      if (args[0] === "-K") this.checksum = args.at(-1)!;
      return said(`tx-checksum-ip-generic: ${this.checksum}\n`);
    });
  }

  restore(network = NETWORK, waitMs = 0, signal?: AbortSignal) {
    return restoreNetwork(network, { ...this, exec: this.kernel }, { waitMs, signal });
  }
}

const said = (stdout: string): ExecResult => ({ code: 0, stdout, stderr: "" });

Deno.test("restoreNetwork() brings everything back, and finds nothing to do when asked again", async () => {
  const host = new BootedHost();
  const report = await host.restore();
  assert.deepEqual({ ...report, tookMs: 0 }, {
    operations: 9,
    refused: [],
    changes: [],
    waiting: [],
    subnetEnv: { state: "written" },
    settings: [
      "modprobe br_netfilter",
      "sysctl -q -w net.ipv4.ip_forward=1",
      "sysctl -q -w net.bridge.bridge-nf-call-iptables=1",
      "ethtool -K flannel.1 tx-checksum-ip-generic off",
    ],
    complaints: [],
    tookMs: 0,
  });
  assert.equal(await host.fs.readText(PATH), SUBNET_ENV);
  assert.equal(host.fs.modeOf(PATH), 0o644);
  assert.equal(host.kernel.routes.size, 2);
  assert.equal(host.sysctls.get("net.ipv4.ip_forward"), "1");
  // A module's own settings are there only once it is loaded.
  assert.equal(host.sysctls.get("net.bridge.bridge-nf-call-iptables"), "1");
  assert.ok(host.modules.has("br_netfilter"));
  assert.equal(host.checksum, "off");
  const again = await host.restore();
  assert.deepEqual([again.operations, again.subnetEnv.state], [0, "present"]);
  assert.deepEqual([again.settings, again.complaints], [[], []]);
});

Deno.test("S35 restoreNetwork() waits for the card's address, and writes subnet.env meanwhile", async () => {
  const host = new BootedHost([]);
  const restoring = host.restore(NETWORK, 10_000);
  await host.clock.advance(5_000);
  assert.equal(await host.fs.readText(PATH), SUBNET_ENV);
  assert.equal(host.kernel.links.size, 1);
  host.kernel.links.get("eth0")!.addresses.push({ address: "192.168.5.1", prefixLength: 24 });
  await host.clock.advance(1_000);
  const { operations, changes, waiting } = await restoring;
  assert.deepEqual([operations, changes, waiting], [9, [], []]);
});

Deno.test("S35 restoreNetwork() takes the card as it is when the time is over", async () => {
  const host = new BootedHost(["192.168.5.77/24"]);
  const restoring = host.restore(NETWORK, 10_000);
  await host.clock.advance(11_000);
  const { changes } = await restoring;
  assert.deepEqual(changes, [
    { change: "readdressed", from: "192.168.5.1", to: "192.168.5.77" },
  ]);
  assert.equal(host.kernel.links.get("flannel.1")?.vxlan?.local, "192.168.5.77");
});

Deno.test("restoreNetwork() takes no card for what it is now when it is told to stop waiting", async () => {
  const host = new BootedHost(["192.168.5.77/24"]);
  const stop = new AbortController();
  const restoring = host.restore(NETWORK, 10_000, stop.signal);
  await host.clock.advance(1_000);
  host.kernel.run = () => Promise.reject(new Error("looked on"));
  stop.abort(new Error("stopped"));
  await assert.rejects(restoring, /stopped/);
  assert.deepEqual([...host.kernel.links.keys()], ["eth0"]);
});

Deno.test("S35 restoreNetwork() leaves out what has no card, and says so", async () => {
  const host = new BootedHost([], "eth9");
  host.kernel.links.get("eth9")!.mac = "02:00:00:00:00:99";
  const restoring = host.restore(NETWORK, 1_000);
  await host.clock.advance(2_000);
  const { operations, waiting, subnetEnv } = await restoring;
  assert.equal(operations, 0);
  assert.match(waiting[0]!, /^flannel\.1: there is no interface "eth0"/);
  assert.deepEqual(subnetEnv, { state: "written" });
});

Deno.test.each([
  {
    name: "it is of another node's subnet",
    network: networkOf({ ...NETWORK, podCidrs: ["10.244.9.0/24"] }),
    want: { state: "left", why: "its subnet is not one of this node's (10.244.9.0/24)" },
  },
  {
    name: "there is none",
    network: networkOf({ ...NETWORK, subnetEnv: undefined }),
    want: { state: "left", why: "the snapshot has none" },
  },
])("restoreNetwork() writes no subnet.env when $name", async ({ network, want }) => {
  const host = new BootedHost();
  assert.deepEqual((await host.restore(network)).subnetEnv, want);
  assert.equal(await host.fs.exists(PATH), false);
});

Deno.test("restoreNetwork() replaces a subnet.env that is broken, and leaves flanneld's alone", async () => {
  const host = new BootedHost();
  await host.fs.mkdir("/run/flannel", 0o755);
  await host.fs.writeAtomic(PATH, "FLANNEL_MTU=", 0o644);
  assert.equal((await host.restore()).subnetEnv.state, "written");
  const theirs = SUBNET_ENV.replace("1450", "1400");
  await host.fs.writeAtomic(PATH, theirs, 0o644);
  assert.equal((await host.restore()).subnetEnv.state, "present");
  assert.equal(await host.fs.readText(PATH), theirs);
});

Deno.test("restoreNetwork() goes on without settings that can't be set, and tells which", async () => {
  const host = new BootedHost();
  host.kernel.programs.set("modprobe", () => ({ code: 1, stdout: "", stderr: "not found" }));
  host.kernel.programs.delete("ethtool");
  const { complaints, operations } = await host.restore();
  assert.deepEqual(complaints, [
    "modprobe br_netfilter: not found",
    'ethtool -K flannel.1 tx-checksum-ip-generic off: there is no program "ethtool" on PATH: install it',
  ]);
  assert.equal(operations, 9);
});

Deno.test("describeRestore() tells every step and takes none", async () => {
  const host = new BootedHost(["192.168.5.77/24"]);
  const { lines, changes, subnetEnv } = await describeRestore(NETWORK, {
    exec: host.kernel,
    fs: host.fs,
  });
  assert.deepEqual(lines.slice(0, 2), [
    "modprobe br_netfilter",
    "sysctl -q -w net.ipv4.ip_forward=1",
  ]);
  assert.equal(lines.length, 11);
  assert.match(
    lines[2]!,
    /^ip link add name flannel\.1 address 8a:00:00:00:00:01 .* local 192\.168\.5\.77/,
  );
  assert.match(lines.at(-1)!, /^ip route replace 10\.244\.3\.0\/24/);
  assert.equal(changes.length, 1);
  assert.deepEqual(subnetEnv, { state: "written" });
  assert.deepEqual(host.kernel.log, []);
  assert.equal(host.sysctls.get("net.ipv4.ip_forward"), "0");
  assert.equal(await host.fs.exists(PATH), false);
});
