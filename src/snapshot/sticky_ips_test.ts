import { getLogger } from "@logtape/logtape";
import assert from "node:assert/strict";
import { Registry } from "prom-client";
import { FakeClock } from "../../tests/testing/fake_clock.ts";
import { FakeFs } from "../../tests/testing/fake_fs.ts";
import { FakeKernel } from "../../tests/testing/fake_kernel.ts";
import { FLANNEL_CONFLIST, flannelScratch } from "../../tests/testing/flannel_files.ts";
import { SnapshotConfig } from "./config.ts";
import { PodRecords } from "./ipam/pod_records.ts";
import { UNKNOWN_LINK } from "./link_port.ts";
import { createSnapshot } from "./mod.ts";
import { StickyIps } from "./sticky_ips.ts";

const SCRATCH = "/var/lib/cni/flannel/old1";
const STORE = "/var/lib/cni/networks/cbr0";

/** A node with flannel and a pod from before the agent. */
function stockNode(files: Record<string, string> = {}) {
  const fs = new FakeFs({
    "/etc/cni/net.d/10-flannel.conflist": FLANNEL_CONFLIST,
    [SCRATCH]: flannelScratch("host-local"),
    [`${STORE}/lock`]: "",
    "/opt/cni/bin/flannel": "",
    ...files,
  });
  const logger = getLogger(["edge-agent", "test"]);
  const program = ["/usr/local/bin/edge-agent"] as const;
  const clock = new FakeClock();
  const start = (stateDir = "/var/lib/edge-agent") =>
    new StickyIps(SnapshotConfig.parse({}).ipam, { fs, clock, logger, program, stateDir });
  const adopted = async () => JSON.parse(await fs.readText(SCRATCH)).ipam.type === "edge-agent";
  return { fs, clock, start, adopted };
}

Deno.test("reconcile() takes over older pods later when it could not at once", async () => {
  const { fs, start, adopted } = stockNode();
  const sticky = start();
  fs.fault = (op, path) =>
    op === "rename" && path.includes("/cni/flannel/") ? { code: "ENOSPC" } : undefined;
  await sticky.reconcile();
  assert.equal(await adopted(), false);
  fs.fault = () => undefined;
  await sticky.reconcile();
  assert.equal(await adopted(), true);
  assert.equal(sticky.state.state, "installed");
});

Deno.test("reconcile() takes over older pods after the agent was killed before it had", async () => {
  const { fs, start, adopted } = stockNode();
  fs.fault = (op, path) => op === "list" && path.includes("/cni/flannel") ? "crash" : undefined;
  await start().reconcile();
  fs.fault = () => undefined;
  fs.restart({ entries: "kept", bytes: 1_000 });
  await start().reconcile();
  assert.equal(await adopted(), true);
});

Deno.test("collectOrphans() frees nothing when a container runtime starts while it gets ready", async () => {
  const { fs, start } = stockNode();
  const lock = fs.lock.bind(fs);
  fs.lock = async (path, timeoutMs) => {
    if (path.endsWith("ipam.lock")) {
      await fs.mkdir("/run/containerd", 0o711);
      await fs.createExclusive("/run/containerd/containerd.sock", "", 0o600);
      // An ADD that no cache knows yet.
      await fs.createExclusive(`${STORE}/10.244.1.9`, "new\r\neth0", 0o600);
    }
    return await lock(path, timeoutMs);
  };
  await assert.rejects(start().collectOrphans(), /a container runtime runs .*containerd\.sock/);
  assert.equal(await fs.readText(`${STORE}/10.244.1.9`), "new\r\neth0");
});

const UUID = "0f8fad5b-d9cb-469f-a165-70867728950e";

Deno.test.each([
  { name: "k0s' containerd", path: "/run/k0s/containerd.sock" },
  { name: "a sandbox of any containerd", path: `/run/netns/cni-${UUID}` },
  { name: "a sandbox of CRI-O", path: `/run/netns/${UUID}` },
])("collectOrphans() frees nothing beside $name", async ({ path }) => {
  const { fs, start } = stockNode({ [path]: "", [`${STORE}/10.244.1.9`]: "new\r\neth0" });
  await assert.rejects(start().collectOrphans(), {
    message: `a container runtime runs (${path})`,
  });
  assert.ok(await fs.exists(`${STORE}/10.244.1.9`));
});

Deno.test.each([
  { name: "a socket that systemd listens on", path: "/run/cri-dockerd.sock" },
  { name: "an administrator's namespace", path: "/run/netns/mgmt" },
  {
    name: "a socket on disk, which a power cut leaves",
    path: "/var/snap/microk8s/common/run/containerd.sock",
  },
  { name: "a container of podman", path: `/run/netns/netns-${UUID}` },
])("collectOrphans() is not kept from it by $name", async ({ path }) => {
  const { start } = stockNode({ [path]: "", [`${STORE}/10.244.1.9`]: "gone\r\neth0" });
  const collected = await start().collectOrphans();
  assert.equal("freed" in collected && collected.freed, 1);
});

Deno.test("collectOrphans() works in the boot after a power cut that left flannel's config empty", async () => {
  const { fs, start } = stockNode({ [`${STORE}/10.244.1.9`]: "gone\r\neth0" });
  await start().reconcile();
  await fs.writeAtomic("/etc/cni/net.d/10-flannel.conflist", "", 0o644);
  const sticky = start();
  const collected = await sticky.collectOrphans();
  assert.equal("freed" in collected && collected.freed, 1);
  assert.deepEqual(sticky.state, {
    state: "installed",
    file: "05-edge-agent.conflist",
    network: "cbr0",
    torn: "10-flannel.conflist",
  });
  await fs.writeAtomic("/etc/cni/net.d/10-flannel.conflist", FLANNEL_CONFLIST, 0o644);
  await sticky.reconcile();
  assert.equal("torn" in sticky.state, false);
});

Deno.test("reconcile() that is switched off changes nothing of what an earlier run installed", async () => {
  const { fs, start } = stockNode();
  await start().reconcile();
  const before = [...fs.calls].filter((call) => /^(rename|remove|create)/.test(call)).length;
  const { ipam } = SnapshotConfig.parse({ ipam: { sticky: false } });
  const logger = getLogger(["edge-agent", "test"]);
  const program = ["/usr/local/bin/edge-agent"] as const;
  const off = new StickyIps(ipam, {
    ...{ fs, clock: new FakeClock(), logger, program, stateDir: "/var/lib/edge-agent" },
  });
  await off.reconcile();
  assert.deepEqual(off.state, { state: "off" });
  assert.equal(fs.calls.filter((call) => /^(rename|remove|create)/.test(call)).length, before);
});

Deno.test("expire() frees what is held for too long without asking anybody, once an hour", async () => {
  const { fs, clock, start } = stockNode();
  const hold = async (ip: string) => {
    await fs.createExclusive(`${STORE}/${ip}`, "edge-agent-hold\r\ndefault/web", 0o600);
    await clock.advance(8 * 86_400_000);
  };
  fs.now = () => clock.now();
  await hold("10.244.1.7");
  const sticky = start();
  await sticky.reconcile();
  for (let hour = 0; hour < 2; hour++) {
    // The first time not at once: pods still come back after a boot.
    await clock.advance(3_599_000);
    const before = fs.calls.length;
    await sticky.expire();
    assert.equal(fs.calls.length, before);
    await clock.advance(1_000);
    await sticky.expire();
    assert.equal(await fs.exists(`${STORE}/10.244.1.7`), false);
  }
  await hold("10.244.1.8");
  await sticky.expire();
  assert.equal(await fs.exists(`${STORE}/10.244.1.8`), false);
});

Deno.test("expire() takes no hold for old as the clock, which was behind, is set right", async () => {
  const { fs, clock, start } = stockNode();
  fs.now = () => clock.now();
  const sticky = start();
  await sticky.reconcile();
  await clock.advance(3_000_000);
  await fs.createExclusive(`${STORE}/10.244.1.7`, "edge-agent-hold\r\ndefault/web", 0o600);
  clock.jump(40 * 86_400_000);
  await clock.advance(600_000);
  await sticky.expire();
  assert.ok(await fs.exists(`${STORE}/10.244.1.7`));
});

Deno.test("the plugin is told of the agent's state directory, in which the agent looks for its records", async () => {
  const record = { network: "cbr0", namespace: "default", name: "web", containerID: "gone" };
  const { fs, start } = stockNode({
    "/data/ipam/cbr0/x.json": JSON.stringify({
      ...{ schema: 1, ...record, ifName: "eth0", ips: ["10.244.1.9"] },
      time: "2026-01-01T00:00:00.000Z",
    }),
    [`${STORE}/10.244.1.9`]: "gone\r\neth0",
  });
  const sticky = start("/data");
  const collected = await sticky.collectOrphans();
  assert.equal("held" in collected && collected.held, 1);
  assert.match(await fs.readText("/opt/cni/bin/edge-agent"), /^EDGE_AGENT_STATE_DIR='\/data'$/m);
});

Deno.test("the module frees what is held for too long, though nobody tells it which pods are gone", async () => {
  const { fs, clock } = stockNode({ [`${STORE}/10.244.1.7`]: "edge-agent-hold\r\ndefault/web" });
  const exec = new FakeKernel();
  for (const name of ["cat", "sysctl", "ethtool"]) {
    exec.programs.set(name, () => ({ code: 0, stdout: "", stderr: "" }));
  }
  await using module = createSnapshot(SnapshotConfig.parse({}), {
    ...{ clock, fs, exec, registry: new Registry(), link: UNKNOWN_LINK },
    logger: getLogger(["edge-agent", "test"]),
    stateDir: "/var/lib/edge-agent",
    hostname: () => "edge-1",
    program: ["/usr/local/bin/edge-agent"],
    random: () => 0.5,
  });
  const stop = new AbortController();
  await module.start(stop.signal);
  await clock.advance(1_000);
  assert.ok(await fs.exists(`${STORE}/10.244.1.7`));
  await clock.advance(3_600_000);
  assert.equal(await fs.exists(`${STORE}/10.244.1.7`), false);
  stop.abort();
});

/** Files of young records, made without a disk: it would be a slow one. */
async function recordsOf(count: number): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  const fs = {
    exists: () => Promise.resolve(true),
    writeAtomic: (path: string, text: string) => Promise.resolve(void (files[path] = text)),
  } as unknown as FakeFs;
  const records = new PodRecords(fs, "/var/lib/edge-agent/ipam", "cbr0");
  const now = new FakeClock().now();
  for (let i = 0; i < count; i++) {
    const pod = { namespace: "default", name: `job-${i}` };
    const ips = [`10.244.1.${2 + i % 200}`];
    const timeMs = now + i;
    await records.put({ network: "cbr0", pod, containerID: `c${i}`, ifName: "eth0", ips, timeMs });
  }
  return files;
}

Deno.test("expire() forgets a great many pods in pieces, pass by pass, and keeps the youngest 1,000", async () => {
  const { fs, clock, start } = stockNode(await recordsOf(1_600));
  const sticky = start();
  await sticky.reconcile();
  await clock.advance(3_600_000);
  const left: number[] = [];
  for (let pass = 0; pass < 4; pass++) {
    await sticky.expire();
    left.push((await fs.list("/var/lib/edge-agent/ipam/cbr0")).length);
  }
  assert.deepEqual(left, [1_100, 1_000, 1_000, 1_000]);
});

Deno.test("forget() does not take an empty answer for a node without pods", async () => {
  const { fs, start } = stockNode({ [`${STORE}/10.244.1.7`]: "edge-agent-hold\r\ndefault/web" });
  const sticky = start();
  await sticky.reconcile();
  await sticky.forget(new Set(), Number.MAX_SAFE_INTEGER);
  assert.ok(await fs.exists(`${STORE}/10.244.1.7`));
  await sticky.forget(new Set(["default/other"]), Number.MAX_SAFE_INTEGER);
  assert.equal(await fs.exists(`${STORE}/10.244.1.7`), false);
});
