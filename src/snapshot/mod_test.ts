import assert from "node:assert/strict";
import { getLogger } from "@logtape/logtape";
import { Registry } from "prom-client";
import { FakeClock } from "../../tests/testing/fake_clock.ts";
import { FakeFs } from "../../tests/testing/fake_fs.ts";
import { FakeKernel } from "../../tests/testing/fake_kernel.ts";
import { flannelLink, macOf, networkOf, vxlanPeer } from "../../tests/testing/flannel_network.ts";
import { addPod, SUBNET_ENV } from "../../tests/testing/flannel_node.ts";
import type { Module } from "../kernel/module.ts";
import { converge } from "./apply.ts";
import { Archive } from "./archive.ts";
import { NETWORK_PATHS } from "./collect.ts";
import { SnapshotConfig } from "./config.ts";
import { type LinkPort, UNKNOWN_LINK } from "./link_port.ts";
import { createSnapshot } from "./mod.ts";

interface Made extends AsyncDisposable {
  module: Module;
  kernel: FakeKernel;
  fs: FakeFs;
  clock: FakeClock;
}

/** The module on a host without anything. */
async function make(link: LinkPort): Promise<Made> {
  const kernel = new FakeKernel();
  for (const name of ["cat", "sysctl", "ethtool"]) {
    kernel.programs.set(name, () => ({ code: 0, stdout: "", stderr: "" }));
  }
  const clock = new FakeClock();
  const fs = new FakeFs();
  await fs.mkdir("/var/lib/edge-agent", 0o700);
  const module = createSnapshot(SnapshotConfig.parse({ ipam: { sticky: false } }), {
    ...{ clock, fs, exec: kernel, registry: new Registry(), link },
    logger: getLogger(["edge-agent", "test"]),
    stateDir: "/var/lib/edge-agent",
    hostname: () => "edge-1",
    program: ["/usr/local/bin/edge-agent"],
    random: () => 0.5,
  });
  return {
    ...{ module, kernel, fs, clock },
    [Symbol.asyncDispose]: () => module[Symbol.asyncDispose](),
  };
}

Deno.test("the module begins once the host's tools can do what is needed", async () => {
  await using made = await make(UNKNOWN_LINK);
  const { kernel, clock, module } = made;
  const stop = new AbortController();
  const { version } = kernel;
  kernel.version = "BusyBox v1.36.1";
  await module.start(stop.signal);
  await clock.advance(30_000);
  assert.match(module.notReady() ?? "", /install iproute2/);
  kernel.version = version;
  await clock.advance(30_000);
  assert.equal(module.notReady(), undefined);
  assert.equal(module.status().state, "degraded");
  stop.abort();
});

const OWN = { name: "edge-1", machineId: "" };

/** What the module finds on its disk. */
async function keep({ fs, kernel }: Made): Promise<void> {
  kernel.addCard("eth0", "02:00:00:00:00:01", ["192.168.5.1/24"]);
  await new Archive(fs, "/var/lib/edge-agent", OWN).save({
    ...{ node: OWN, bootId: "", takenAt: "", generation: 1 },
    network: networkOf({ links: [flannelLink()], peers: [vxlanPeer(2)] }),
  });
}

/** A link that tests switch. */
class TestLink implements LinkPort {
  state: LinkPort["state"];
  #listener = () => {};

  constructor(state: LinkPort["state"]) {
    this.state = state;
  }

  subscribe(listener: () => void): () => void {
    this.#listener = listener;
    return () => {};
  }

  set(state: LinkPort["state"]): void {
    this.state = state;
    this.#listener();
  }
}

Deno.test("the module holds what flanneld set while the link was up for less than a look", async () => {
  const link = new TestLink("down");
  await using made = await make(link);
  const { kernel, clock, module } = made;
  await keep(made);
  const stop = new AbortController();
  await module.start(stop.signal);
  await clock.advance(60_000);
  link.set("up");
  await converge(kernel, { links: [flannelLink()], peers: [vxlanPeer(2, 7)] });
  kernel.routes.get("10.244.2.0/24")!.protocol = "boot";
  link.set("down");
  await clock.advance(60_000);
  assert.equal(kernel.neighbours.get("flannel.1 10.244.2.0"), macOf(2, 7));
  stop.abort();
});

Deno.test("the module writes for pods alone once in its interval", async () => {
  const link = new TestLink("up");
  await using made = await make(link);
  const { kernel, clock, fs, module } = made;
  await keep(made);
  await fs.mkdir("/run/flannel", 0o755);
  await fs.writeAtomic(NETWORK_PATHS.subnetEnv, SUBNET_ENV, 0o644);
  await converge(kernel, { links: [flannelLink()], peers: [vxlanPeer(2)] });
  const stop = new AbortController();
  await module.start(stop.signal);
  const podsAfter = async (name: string, ms: number) => {
    await addPod(fs, name, "10.244.1.5");
    link.set("up");
    await clock.advance(ms);
    const loaded = await new Archive(fs, "/var/lib/edge-agent", OWN).load();
    return loaded.state === "loaded" ? loaded.snapshot.network.pods.map((pod) => pod.name) : [];
  };
  assert.deepEqual(await podsAfter("a", 10_000), ["a"]);
  assert.deepEqual(await podsAfter("b", 280_000), ["a"]);
  assert.deepEqual(await podsAfter("c", 310_000), ["a", "b", "c"]);
  stop.abort();
});

Deno.test("the module fights nobody all day who undoes at once what it puts right", async () => {
  let ring = () => {};
  await using made = await make({
    state: "down",
    subscribe(listener) {
      ring = listener;
      return () => {};
    },
  });
  const { kernel, clock, module } = made;
  await keep(made);
  const stop = new AbortController();
  await module.start(stop.signal);
  const times: number[] = [];
  for (let i = 0; i < 600; i++) {
    await clock.advance(500);
    if (!kernel.routes.delete("10.244.2.0/24")) continue;
    times.push(clock.monotonic() / 1_000);
    ring();
  }
  assert.ok(times.length >= 10 && times.length < 30, String(times));
  // Left in peace, it is as quick as ever.
  await clock.advance(60_000);
  ring();
  await clock.advance(2_000);
  kernel.routes.delete("10.244.2.0/24");
  ring();
  await clock.advance(2_000);
  assert.equal(kernel.routes.size, 1);
  stop.abort();
});
