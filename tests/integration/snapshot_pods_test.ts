import { getLogger } from "@logtape/logtape";
import assert from "node:assert/strict";
import { Registry } from "prom-client";
import { SnapshotConfig } from "../../src/snapshot/config.ts";
import { createSnapshot } from "../../src/snapshot/mod.ts";
import { CLOUD_TOKEN } from "../bench/agent_process.ts";
import { startProtobufCloud } from "../bench/protobuf_cloud.ts";
import { until } from "../cluster/poll.ts";
import { FakeClock } from "../testing/fake_clock.ts";
import { FakeFs } from "../testing/fake_fs.ts";
import { FakeKernel } from "../testing/fake_kernel.ts";
import { FLANNEL_CONFLIST } from "../testing/flannel_files.ts";

const STORE = "/var/lib/cni/networks/cbr0";
const KUBECONFIG = "/etc/edge-agent/pods.kubeconfig";
const heldFor = (pod: string) => `edge-agent-hold\r\n${pod}`;

Deno.test("the snapshot module frees the addresses of pods that the cluster has no more, and no others", async () => {
  // The pod app-0-0 of ns-0.
  await using cloud = await startProtobufCloud(1);
  const config = {
    "current-context": "c",
    contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
    clusters: [{ name: "c", cluster: { server: cloud.url } }],
    users: [{ name: "u", user: { token: CLOUD_TOKEN } }],
  };
  const fs = new FakeFs({
    "/etc/cni/net.d/10-flannel.conflist": FLANNEL_CONFLIST,
    "/opt/cni/bin/flannel": "",
    [KUBECONFIG]: JSON.stringify(config),
    [`${STORE}/10.244.1.7`]: heldFor("ns-0/app-0-0"),
    [`${STORE}/10.244.1.8`]: heldFor("ns-0/gone"),
  });
  const clock = new FakeClock();
  const exec = new FakeKernel();
  for (const name of ["cat", "sysctl", "ethtool"]) {
    exec.programs.set(name, () => ({ code: 0, stdout: "", stderr: "" }));
  }
  const section = { podsKubeconfig: KUBECONFIG, interval: "10s" };
  await using module = createSnapshot(SnapshotConfig.parse(section), {
    ...{ clock, fs, exec, registry: new Registry(), random: () => 0.5 },
    link: { state: "up", subscribe: () => () => {} },
    logger: getLogger(["edge-agent", "test"]),
    stateDir: "/var/lib/edge-agent",
    hostname: () => "edge-1",
    program: ["/usr/local/bin/edge-agent"],
  });
  const stop = new AbortController();
  await module.start(stop.signal);
  await until("the address to be free", async () => {
    await clock.advance(10_000);
    return !await fs.exists(`${STORE}/10.244.1.8`);
  });
  assert.equal(await fs.readText(`${STORE}/10.244.1.7`), heldFor("ns-0/app-0-0"));
  stop.abort();
});
