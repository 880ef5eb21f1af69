import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readKernelState } from "../../src/snapshot/kernel_state.ts";
import { formatSnapshot } from "../../src/snapshot/snapshot_file.ts";
import { hasNetAdmin } from "../cluster/net_admin.ts";
import { ScratchHost } from "../cluster/snapshot/scratch_host.ts";
import { flannelLink, networkOf, vxlanPeer } from "../testing/flannel_network.ts";

const can = await hasNetAdmin();
if (!can.ok) await Deno.stderr.write(new TextEncoder().encode(`ignored: ${can.reason}\n`));

const MAIN = fileURLToPath(new URL("../../main.ts", import.meta.url));

/** argv of the agent: the binary that EDGE_AGENT_BINARY names, or from source. */
function agent(): string[] {
  const binary = Deno.env.get("EDGE_AGENT_BINARY");
  return binary === undefined ? [Deno.execPath(), "run", "-A", MAIN] : [binary];
}

Deno.test({
  name:
    "S30 the program restores a network on the real kernel, saves and shows it, with its own permissions",
  ignore: !can.ok,
  async fn() {
    await using host = await ScratchHost.create(["192.168.5.1/24"]);
    // Below /tmp, which the compiled binary may use.
    const root = await mkdtemp("/tmp/edge-agent-snapshot-e2e-");
    try {
      const state = join(root, "var/lib/edge-agent");
      await mkdir(state, { recursive: true });
      await mkdir(join(root, "etc/edge-agent"), { recursive: true });
      const config = join(root, "etc/edge-agent/config.yaml");
      await writeFile(
        config,
        "snapshot: {nodeName: edge-1, underlayWait: 2s, ipam: {sticky: false}}\n",
      );
      const network = networkOf({
        links: [flannelLink()],
        peers: [vxlanPeer(2), vxlanPeer(3)],
        subnetEnv: "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\n" +
          "FLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n",
      });
      const snapshot = { bootId: "", takenAt: "", generation: 1, network };
      const text = formatSnapshot({ node: { name: "edge-1", machineId: "" }, ...snapshot });
      await writeFile(join(state, "network.json"), text, { mode: 0o600 });
      const run = async (...args: string[]) => {
        const argv = [...agent(), "snapshot", ...args, "--root", root];
        const { code, stdout, stderr } = await host.exec.run(argv, { timeoutMs: 30_000 });
        assert.equal(code, 0, stderr);
        return stdout;
      };
      assert.match(await run("restore"), /network put back with 9 changes/);
      const kernel = await readKernelState(host.exec);
      assert.equal(kernel.links[0]?.mac, flannelLink().mac);
      assert.deepEqual([kernel.neighbours.length, kernel.fdb.length], [2, 2]);
      assert.match(await run("restore"), /the network is as it was: nothing to do/);
      assert.match(await run("save"), /snapshot 2: 1 devices, 2 peers, 0 pods/);
      assert.match(await run("save"), /snapshot 2 holds all of it already/);
      assert.match(await run("show"), /^2 peers$/m);
      const previous = await readFile(join(state, "network.prev.json"), "utf8");
      assert.equal(previous, text);
    } finally {
      await rm(root, { recursive: true });
    }
  },
});
