import assert from "node:assert/strict";
import { Registry } from "prom-client";
import type { ExecResult } from "../../src/platform/exec.ts";
import { converge } from "../../src/snapshot/apply.ts";
import { Archive } from "../../src/snapshot/archive.ts";
import { Keeper } from "../../src/snapshot/keeper.ts";
import type { LinkState } from "../../src/snapshot/link_port.ts";
import { createSnapshotMetrics } from "../../src/snapshot/metrics.ts";
import type { Peer, VxlanLink } from "../../src/snapshot/model.ts";
import type { NodeFacts } from "../../src/snapshot/node_facts.ts";
import type { PeerNotice } from "../../src/snapshot/peer_notice.ts";
import { FakeClock } from "./fake_clock.ts";
import { FakeFs } from "./fake_fs.ts";
import { FakeKernel } from "./fake_kernel.ts";
import { flannelLink, vxlanPeer } from "./flannel_network.ts";
import { RecordingLogger } from "./recording_logger.ts";

/** `subnet.env` of node 1. */
export const SUBNET_ENV = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\n" +
  "FLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n";
/** Where that lies. */
export const PATH = "/run/flannel/subnet.env";
const OWN = { name: "edge-1", machineId: "m1" };
const { signal } = new AbortController();
const said = (stdout: string): ExecResult => ({ code: 0, stdout, stderr: "" });

/** A node with its disk, its kernel, and what it is told from outside. */
export class TestNode {
  readonly kernel = new FakeKernel();
  readonly fs = new FakeFs();
  readonly clock = new FakeClock();
  readonly announced: PeerNotice[] = [];
  readonly log = new RecordingLogger();
  link: LinkState = "up";
  nodes: NodeFacts[] | undefined;
  /** Whether the Nodes are known to be so now. */
  isHeard = true;

  constructor() {
    this.kernel.addCard("eth0", "02:00:00:00:00:01", ["192.168.5.1/24", "fd00:5::1/64"]);
    for (const name of ["cat", "sysctl", "ethtool", "modprobe"]) {
      this.kernel.programs.set(name, () => said(""));
    }
  }

  /** As flanneld leaves it. */
  async runFlannel(
    peers: readonly Peer[],
    { links = [flannelLink()], subnetEnv = SUBNET_ENV }: {
      links?: readonly VxlanLink[];
      subnetEnv?: string;
    } = {},
  ): Promise<void> {
    await converge(this.kernel, { links: [...links], peers: [...peers] });
    for (const route of this.kernel.routes.values()) route.protocol = "boot";
    await this.fs.mkdir("/run/flannel", 0o755);
    await this.fs.writeAtomic(PATH, subnetEnv, 0o644);
  }

  /** Runs one command of somebody else. */
  change(program: "ip" | "bridge", line: string): void {
    this.kernel.change(program, line.split(" "));
  }

  async reboot(): Promise<void> {
    this.kernel.reboot();
    await this.fs.remove(PATH);
  }

  async openKeeper(): Promise<Keeper> {
    const { fs, clock, kernel } = this;
    const link = () => this.link;
    const keeper = new Keeper(
      {
        ...{ fs, clock, exec: kernel },
        logger: this.log.logger,
        metrics: createSnapshotMetrics(new Registry()),
        archive: new Archive(fs, "/var/lib/edge-agent", OWN),
        link: {
          get state() {
            return link();
          },
          subscribe: () => () => {},
        },
        nodes: () => {
          if (this.nodes === undefined) return { state: "unknown" };
          const state = this.isHeard && this.link === "up" ? "fresh" : "stale";
          return { state, nodes: this.nodes };
        },
        podsIntervalMs: 300_000,
        notices: {
          announce: (notice) => void this.announced.push(notice),
          subscribe: () => () => {},
        },
      },
      OWN,
      "b1",
    );
    await keeper.open();
    return keeper;
  }

  peers(): string[] {
    return [...this.kernel.routes.keys()].sort();
  }
}

/** What a node is kept with. */
export const PEERS = [vxlanPeer(2), vxlanPeer(3)];
/** Their pods. */
export const SUBNETS = ["10.244.2.0/24", "10.244.3.0/24"];

/** A node that was switched off after everything was kept. */
export async function keptNode(): Promise<TestNode> {
  const node = new TestNode();
  await node.fs.mkdir("/var/lib/edge-agent", 0o700);
  await node.runFlannel(PEERS);
  const keeper = await node.openKeeper();
  await keeper.pass(signal);
  assert.deepEqual(keeper.state, { state: "kept" });
  return node;
}

/** What libcni writes for each pod. */
export async function addPod(fs: FakeFs, name: string, ip: string): Promise<void> {
  await fs.mkdir("/var/lib/cni/results", 0o700);
  const result = {
    kind: "cniCacheV1",
    containerId: `c-${name}`,
    ifName: "eth0",
    networkName: "cbr0",
    cniArgs: [["K8S_POD_NAMESPACE", "default"], ["K8S_POD_NAME", name]],
    result: { cniVersion: "1.0.0", ips: [{ address: `${ip}/24` }] },
  };
  const path = `/var/lib/cni/results/cbr0-c-${name}-eth0`;
  await fs.writeAtomic(path, JSON.stringify(result), 0o600);
}
