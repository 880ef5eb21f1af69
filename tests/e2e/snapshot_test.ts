import assert from "node:assert/strict";
import { chmod, chown, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatSnapshot, type Snapshot } from "../../src/snapshot/snapshot_file.ts";
import { AgentProcess, runAgent } from "../testing/agent_process.ts";
import { flannelLink, networkOf, vxlanPeer } from "../testing/flannel_network.ts";

const OWN = { name: "edge-1", machineId: "m1" };
const STATE = "var/lib/edge-agent";
const OUR_CONFLIST = "etc/cni/net.d/05-edge-agent.conflist";
const CONFLIST = JSON.stringify({
  name: "cbr0",
  cniVersion: "0.3.1",
  plugins: [{ type: "flannel", delegate: { hairpinMode: true } }, { type: "portmap" }],
});
const SUBNET_ENV = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\n" +
  "FLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n";

function snapshotOf(changes: Partial<Snapshot> = {}): string {
  return formatSnapshot({
    node: OWN,
    bootId: "b1",
    takenAt: "2026-01-01T00:00:00.000Z",
    generation: 3,
    network: networkOf({
      links: [flannelLink()],
      peers: [{ ...vxlanPeer(2), node: "edge-2" }],
      subnetEnv: SUBNET_ENV,
      pods: [{
        ...{ network: "cbr0", namespace: "default", name: "web", uid: "u1" },
        ...{ containerId: "0123456789abcdef", ifName: "eth0", ips: ["10.244.1.5"] },
      }],
    }),
    ...changes,
  });
}

/** A root folder with a config, and stand-ins for the host's tools that note how they are called. */
class TestRoot implements AsyncDisposable {
  private constructor(readonly path: string) {}

  static async create(ipVersion = "ip utility, iproute2-6.1.0"): Promise<TestRoot> {
    const root = new TestRoot(await mkdtemp(join(tmpdir(), "edge-agent-snapshot-")));
    for (const folder of ["etc/edge-agent", "etc/cni/net.d", "opt/cni/bin", STATE, "bin"]) {
      await mkdir(join(root.path, folder), { recursive: true });
    }
    await root.write("etc/machine-id", "m1\n");
    await root.write(
      "etc/edge-agent/config.yaml",
      "snapshot: {nodeName: edge-1, underlayWait: 0s}\n",
    );
    await root.write("etc/cni/net.d/10-flannel.conflist", CONFLIST);
    await root.write("opt/cni/bin/flannel", "");
    await root.write("calls", "");
    const note = `echo "$0 $*" | sed 's|^.*/bin/||' >>'${root.path}/calls'`;
    await root.program("ip", `${note}; [ "$1" = -V ] && echo '${ipVersion}' || echo '[]'`);
    await root.program(
      "bridge",
      `${note}; [ "$1" = -V ] && echo 'bridge utility, 0.0' || echo '[]'`,
    );
    for (const name of ["sysctl", "modprobe", "ethtool"]) await root.program(name, note);
    return root;
  }

  async write(path: string, text: string): Promise<void> {
    await writeFile(join(this.path, path), text);
  }

  async program(name: string, script: string): Promise<void> {
    await this.write(`bin/${name}`, `#!/bin/sh\n${script}\n`);
    await chmod(join(this.path, "bin", name), 0o755);
  }

  run(...args: string[]): ReturnType<typeof runAgent> {
    return this.runBy([], ...args);
  }

  /** Lets another program run it. */
  runBy(launcher: readonly string[], ...args: string[]): ReturnType<typeof runAgent> {
    const PATH = `${join(this.path, "bin")}:${Deno.env.get("PATH")}`;
    return runAgent(["snapshot", ...args, "--root", this.path], { PATH }, launcher);
  }

  /** How tools were called to change something. */
  async changes(): Promise<string[]> {
    const calls = await readFile(join(this.path, "calls"), "utf8");
    return calls.split("\n").filter((line) => /-batch|-w|-K|^modprobe/.test(line));
  }

  /** Whether a file is there. */
  async has(path: string): Promise<boolean> {
    return await readFile(join(this.path, path)).then(() => true, () => false);
  }

  /** Nothing was put on the host, and nothing was changed with its tools. */
  async assertUntouched(): Promise<void> {
    assert.deepEqual(await this.changes(), []);
    for (const path of ["run/flannel/subnet.env", OUR_CONFLIST, "opt/cni/bin/edge-agent"]) {
      assert.equal(await this.has(path), false, path);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

Deno.test.each([
  { name: "a broken snapshot", text: "{", want: /it is no JSON, or cut off/ },
  { name: "a truncated snapshot", text: snapshotOf().slice(0, 500), want: /cut off/ },
  { name: "an empty snapshot", text: "", want: /it is empty/ },
  {
    name: "a snapshot that was changed by hand",
    text: snapshotOf().replace("10.244.2.0/24", "10.244.9.0/24"),
    want: /its checksum is wrong/,
  },
  {
    name: "a snapshot of another node",
    text: snapshotOf({ node: { ...OWN, name: "edge-7" } }),
    want: /it is of the node "edge-7", and this is "edge-1"/,
  },
  {
    name: "a snapshot of another machine",
    text: snapshotOf({ node: { ...OWN, machineId: "m7" } }),
    want: /it is of the machine m7, and this is m1/,
  },
  {
    name: "a snapshot of a newer agent",
    text: snapshotOf().replace('"schema":1', '"schema":9'),
    want: /it has schema 9, and this agent reads 1: install the agent that wrote it/,
  },
])("snapshot restore refuses $name and touches nothing", async ({ text, want }) => {
  await using root = await TestRoot.create();
  await root.write(`${STATE}/network.json`, text);
  const { code, stderr } = await root.run("restore");
  assert.equal(code, 1);
  assert.match(stderr, want);
  assert.match(stderr, /^edge-agent: There is no usable snapshot: .*network\.json: /m);
  await root.assertUntouched();
  assert.equal(await readFile(join(root.path, STATE, "network.json"), "utf8"), text);
});

Deno.test("snapshot restore passes a damaged snapshot over, and says so", async () => {
  await using root = await TestRoot.create();
  await root.write(`${STATE}/network.json`, "{");
  await root.write(`${STATE}/network.prev.json`, snapshotOf());
  const { code, stdout, stderr } = await root.run("restore");
  assert.equal(code, 0, stderr);
  assert.match(stderr, /passed over: .*network\.json: it is no JSON, or cut off/);
  assert.match(
    stdout,
    /left for later, by "edge-agent run": flannel\.1: there is no interface "eth0"/,
  );
  assert.equal(await readFile(join(root.path, "run/flannel/subnet.env"), "utf8"), SUBNET_ENV);
});

Deno.test("snapshot restore has nothing to do on a node that never had a network", async () => {
  await using root = await TestRoot.create();
  const { code, stdout } = await root.run("restore");
  assert.equal(code, 0);
  assert.equal(
    stdout,
    "there is no snapshot yet: nothing to restore\n" +
      "addresses of lost pods: 0 freed, 0 held for their pods\n",
  );
});

Deno.test("snapshot restore without a snapshot says why addresses of lost pods are left alone", async () => {
  await using root = await TestRoot.create();
  await root.write("etc/cni/net.d/10-flannel.conflist", "{}");
  const { code, stdout } = await root.run("restore");
  assert.equal(code, 0);
  assert.match(stdout, /^addresses of lost pods: left alone, no network of .* is flannel's$/m);
});

/** The capabilities that a unit leaves to its processes, as setpriv(1) takes them. */
async function capabilitiesOf(unit: string): Promise<string[]> {
  const text = await readFile(new URL(`../../dist/systemd/${unit}`, import.meta.url), "utf8");
  const set = /^CapabilityBoundingSet=(.*)$/m.exec(text)![1]!;
  return set.split(" ").map((name) => name.replace(/^CAP_/, "+").toLowerCase());
}

Deno.test.each(["edge-agent.service", "edge-agent-restore.service"])(
  "with the capabilities of %s the plugin gets into folders of another user, as kubespray's are",
  { ignore: Deno.uid() !== 0 },
  async (unit) => {
    await using root = await TestRoot.create();
    for (const folder of ["etc/cni", "etc/cni/net.d", "opt/cni/bin"]) {
      await chown(join(root.path, folder), 1001, 1001);
    }
    const set = ["-all", ...await capabilitiesOf(unit)].join(",");
    const { code, stdout } = await root.runBy(["setpriv", `--bounding-set=${set}`], "restore");
    assert.equal(code, 0);
    assert.match(stdout, /^addresses of lost pods: 0 freed/m);
    for (const path of [OUR_CONFLIST, "opt/cni/bin/edge-agent"]) {
      assert.ok(await root.has(path), path);
    }
  },
);

Deno.test.each([
  { name: "too old", version: "ip utility, iproute2-ss170905", want: /is of iproute2 170905/ },
  { name: "BusyBox's", version: "BusyBox v1.36.1", want: /is not that of iproute2/ },
])(
  "a host whose iproute2 is $name is told what to install, and is left as it is",
  async ({ version, want }) => {
    await using root = await TestRoot.create(version);
    await root.write(`${STATE}/network.json`, snapshotOf());
    for (const command of [["restore"], ["restore", "--dry-run"], ["save"]]) {
      const { code, stderr } = await root.run(...command);
      assert.equal(code, 1, command.join(" "));
      assert.match(stderr, want);
      assert.match(stderr, /install iproute2 4\.19 or later/);
    }
    assert.deepEqual(await root.changes(), []);
    assert.equal(await root.has("run/flannel/subnet.env"), false);
  },
);

Deno.test("a host without iproute2 is told to install it, and that a compiled agent must be restarted then", async () => {
  await using root = await TestRoot.create();
  await root.write(
    "etc/edge-agent/config.yaml",
    "admin: {listen: 127.0.0.1:0}\n" +
      "snapshot: {nodeName: edge-1, underlayWait: 0s, verifyInterval: 1s}\n",
  );
  for (const name of ["ip", "bridge"]) await rm(join(root.path, "bin", name));
  const start = () => {
    const PATH = join(root.path, "bin");
    return new AgentProcess(["snapshot", "run", "--root", root.path], { PATH });
  };
  const degraded = "the network is not as it should be: the former snapshot is kept";
  await using agent = start();
  await agent.logged("can not look after the network", "no program");
  const version = { ip: "ip utility, iproute2-6.1.0", bridge: "bridge utility, 0.0" };
  for (const name of ["bridge", "ip"] as const) {
    await root.program(name, `[ "$1" = -V ] && echo '${version[name]}' || echo '[]'`);
  }
  if (Deno.env.get("EDGE_AGENT_BINARY") === undefined) {
    await agent.logged(degraded);
    return;
  }
  const { error } = await agent.logged("can not look after the network", "restart");
  assert.equal(
    error,
    '"ip" was not there when edge-agent started: restart edge-agent to have it used',
  );
  agent.kill("SIGTERM");
  assert.equal(await agent.exit(), 0);
  await using restarted = start();
  await restarted.logged(degraded);
});

Deno.test("snapshot restore --dry-run shows what it would do, and does nothing", async () => {
  await using root = await TestRoot.create();
  await root.write(`${STATE}/network.json`, snapshotOf());
  const link = [{ ifname: "eth0", mtu: 1500, flags: ["UP"], address: "02:00:00:00:00:01" }];
  const address = [{ ifname: "eth0", addr_info: [{ local: "192.168.5.1", prefixlen: 24 }] }];
  await root.program(
    "ip",
    `case "$*" in -V) echo 'ip utility, iproute2-6.1.0';; *link*) echo '${
      JSON.stringify(link)
    }';; ` +
      `*address*) echo '${
        JSON.stringify(address)
      }';; *batch*) echo batch >>'${root.path}/calls';; *) echo '[]';; esac`,
  );
  const { code, stdout, stderr } = await root.run("restore", "--dry-run");
  assert.equal(code, 0, stderr);
  const lines = stdout.trimEnd().split("\n");
  assert.equal(lines.shift(), "# write /run/flannel/subnet.env");
  assert.match(lines[0]!, /^ip link add name flannel\.1 address 8a:00:00:00:00:01 mtu 1450 /);
  assert.equal(
    lines.at(-1),
    "ip route replace 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink proto 201",
  );
  assert.equal(lines.length, 6);
  await root.assertUntouched();
});

Deno.test("snapshot show prints tables for a person and JSON for a program", async () => {
  await using root = await TestRoot.create();
  await root.write(`${STATE}/network.json`, snapshotOf());
  const { code, stdout } = await root.run("show");
  assert.equal(code, 0);
  assert.match(stdout, /^ {2}node +edge-1$/m);
  assert.match(stdout, /^ {2}flannel\.1 +1 +8472 +8a:00:00:00:00:01 +1450 +192\.168\.5\.1 +eth0/m);
  assert.match(
    stdout,
    /^ {2}edge-2 +10\.244\.2\.0\/24 +flannel\.1 +10\.244\.2\.0 +8a:00:00:00:00:02/m,
  );
  assert.match(stdout, /^ {2}default +web +cbr0 +10\.244\.1\.5 +0123456789abc$/m);
  const json = await root.run("show", "--output", "json");
  const { generation, network } = JSON.parse(json.stdout);
  assert.equal(generation, 3);
  assert.deepEqual(network.pods[0].ips, ["10.244.1.5"]);
});

Deno.test("snapshot save keeps nothing of a host without flannel, and says why", async () => {
  await using root = await TestRoot.create();
  const { code, stderr } = await root.run("save");
  assert.equal(code, 1);
  assert.match(stderr, /No snapshot was taken, .*no usable subnet\.env/);
  assert.equal(await root.has(`${STATE}/network.json`), false);
});

Deno.test("snapshot save writes a damaged snapshot again, though nothing changed", async () => {
  await using root = await TestRoot.create();
  await mkdir(join(root.path, "run/flannel"), { recursive: true });
  await root.write("run/flannel/subnet.env", SUBNET_ENV);
  const newest = join(root.path, STATE, "network.json");
  assert.match((await root.run("save")).stdout, /^snapshot 1: 0 devices/);
  assert.match((await root.run("save")).stdout, /^snapshot 1 holds all of it already/);
  await root.write(`${STATE}/network.prev.json`, await readFile(newest, "utf8"));
  await root.write(`${STATE}/network.json`, "{");
  assert.match((await root.run("save")).stdout, /^snapshot 2: 0 devices/);
  assert.equal(JSON.parse(await readFile(newest, "utf8")).generation, 2);
});

Deno.test("snapshot run looks as soon as flanneld has written its file", async () => {
  await using root = await TestRoot.create();
  await mkdir(join(root.path, "run/flannel"), { recursive: true });
  const slow = { underlayWait: "0s", debounce: "10ms", verifyInterval: "15s" };
  await root.write(
    "etc/edge-agent/config.yaml",
    JSON.stringify({ admin: { listen: "127.0.0.1:0" }, snapshot: { nodeName: "edge-1", ...slow } }),
  );
  const PATH = `${join(root.path, "bin")}:${Deno.env.get("PATH")}`;
  await using agent = new AgentProcess(["snapshot", "run", "--root", root.path], { PATH });
  const degraded = "the network is not as it should be: the former snapshot is kept";
  await agent.logged(degraded);
  const writtenMs = performance.now();
  // The first looks follow each other closely: what comes after them must be told by the file.
  await root.write("run/flannel/subnet.env", "FLANNEL_MTU=1450\n");
  await agent.logged(degraded, "lacks");
  await root.write("run/flannel/subnet.env", SUBNET_ENV);
  await agent.logged("the network is as it should be");
  assert.ok(performance.now() - writtenMs < 10_000, "only the next look found it");
});

Deno.test("snapshot commands want their section in the config", async () => {
  await using root = await TestRoot.create();
  await root.write("etc/edge-agent/config.yaml", "{}\n");
  const { code, stderr } = await root.run("restore");
  assert.equal(code, 2);
  assert.match(stderr, /has no section "snapshot": add one, if only "snapshot: \{\}"/);
});
