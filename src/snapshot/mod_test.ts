import assert from "node:assert/strict";
import { getLogger } from "@logtape/logtape";
import { Registry } from "prom-client";
import { FakeClock } from "../../tests/testing/fake_clock.ts";
import { FakeFs } from "../../tests/testing/fake_fs.ts";
import { FakeKernel } from "../../tests/testing/fake_kernel.ts";
import { SnapshotConfig } from "./config.ts";
import { UNKNOWN_LINK } from "./link_port.ts";
import { createSnapshot } from "./mod.ts";

Deno.test("the module begins once the host's tools can do what is needed", async () => {
  const kernel = new FakeKernel();
  for (const name of ["cat", "sysctl"]) {
    kernel.programs.set(name, () => ({ code: 0, stdout: "", stderr: "" }));
  }
  const clock = new FakeClock();
  const fs = new FakeFs();
  await fs.mkdir("/var/lib", 0o755);
  const stop = new AbortController();
  const { version } = kernel;
  kernel.version = "BusyBox v1.36.1";
  await using module = createSnapshot(SnapshotConfig.parse({ ipam: { sticky: false } }), {
    ...{ clock, fs, exec: kernel, registry: new Registry(), link: UNKNOWN_LINK },
    logger: getLogger(["edge-agent", "test"]),
    stateDir: "/var/lib/edge-agent",
    hostname: () => "edge-1",
    program: ["/usr/local/bin/edge-agent"],
    random: () => 0.5,
  });
  await module.start(stop.signal);
  await clock.advance(30_000);
  assert.match(module.notReady() ?? "", /install iproute2/);
  kernel.version = version;
  await clock.advance(30_000);
  assert.equal(module.notReady(), undefined);
  assert.equal(module.status().state, "degraded");
  stop.abort();
});
