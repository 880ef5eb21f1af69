import assert from "node:assert/strict";
import { getLogger } from "@logtape/logtape";
import { Registry } from "prom-client";
import { FakeClock } from "../../tests/testing/fake_clock.ts";
import { FakeFs } from "../../tests/testing/fake_fs.ts";
import { FakeKernel } from "../../tests/testing/fake_kernel.ts";
import { flannelLink, networkOf, vxlanPeer } from "../../tests/testing/flannel_network.ts";
import type { Module } from "../kernel/module.ts";
import { Archive } from "./archive.ts";
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

Deno.test("the module fights nobody all day who undoes at once what it puts right", async () => {
  let ring = () => {};
  await using made = await make({
    state: "down",
    subscribe(listener) {
      ring = listener;
      return () => {};
    },
  });
  const { kernel, clock, fs, module } = made;
  kernel.addCard("eth0", "02:00:00:00:00:01", ["192.168.5.1/24"]);
  await new Archive(fs, "/var/lib/edge-agent", { name: "edge-1", machineId: "" }).save({
    node: { name: "edge-1", machineId: "" },
    bootId: "",
    takenAt: "",
    generation: 1,
    network: networkOf({ links: [flannelLink()], peers: [vxlanPeer(2)] }),
  });
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
