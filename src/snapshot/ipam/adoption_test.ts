import assert from "node:assert/strict";
import fc from "fast-check";
import { FLANNEL_CONFLIST, flannelScratch } from "../../../tests/testing/flannel_files.ts";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import { FakeFs } from "../../../tests/testing/fake_fs.ts";
import { FakeHostLocal } from "../../../tests/testing/fake_host_local.ts";
import { IpamNode } from "../../../tests/testing/ipam_node.ts";
import { adopt, leave } from "./adoption.ts";
import { installShim, reconcileConflist } from "./install.ts";
import { ipamPaths } from "./ipam_paths.ts";

const SCRATCH = "/var/lib/cni/flannel";
const SHIM = "/opt/cni/bin/edge-agent";
const OURS = "/etc/cni/net.d/05-edge-agent.conflist";
const NETWORK = { name: "cbr0" };

/** A node with two pods from before the agent, a scratch file that is broken, and another network's. */
function stockNode() {
  const fs = new FakeFs({
    "/etc/cni/net.d/10-flannel.conflist": FLANNEL_CONFLIST,
    [`${SCRATCH}/old1`]: flannelScratch("host-local"),
    [`${SCRATCH}/old2`]: flannelScratch("host-local"),
    [`${SCRATCH}/broken`]: "",
    [`${SCRATCH}/other`]: flannelScratch("host-local", "other"),
    "/var/lib/cni/networks/cbr0/10.244.1.2": "old1\r\neth0",
    "/var/lib/cni/networks/cbr0/lock": "",
    "/opt/cni/bin/host-local": "",
    "/opt/cni/bin/flannel": "",
    "/run/edge-agent/ipam.lock": "",
  });
  const clock = new FakeClock();
  clock.sleep = () => Promise.resolve();
  return { fs, clock, paths: ipamPaths() };
}

type StockNode = ReturnType<typeof stockNode>;

/** The plugin at work on that node. */
function ipamOf({ fs, clock, paths }: StockNode): IpamNode {
  return new IpamNode(fs, new FakeHostLocal(fs), clock, paths, "/opt/cni/bin");
}

async function install(node: StockNode): Promise<void> {
  await installShim(node, ["/usr/local/bin/edge-agent"], "/var/lib/edge-agent");
  await reconcileConflist(node);
  await adopt(node, NETWORK);
}

async function typesOf({ fs }: StockNode): Promise<string[]> {
  const types: string[] = [];
  for (const name of await fs.list(SCRATCH)) {
    if (name.startsWith(".")) continue;
    const text = await fs.readText(`${SCRATCH}/${name}`);
    if (text !== "") types.push(`${name} ${JSON.parse(text).ipam.type}`);
  }
  return types;
}

const STOCK = ["old1 host-local", "old2 host-local", "other host-local"];

Deno.test("adopt() names the plugin in the files of its network, and in no other", async () => {
  const node = stockNode();
  assert.deepEqual(await adopt(node, NETWORK), { changed: 2, broken: 1 });
  assert.deepEqual(await typesOf(node), ["old1 edge-agent", "old2 edge-agent", "other host-local"]);
  const text = await node.fs.readText(`${SCRATCH}/old1`);
  assert.deepEqual(JSON.parse(text), JSON.parse(flannelScratch("edge-agent")));
  assert.deepEqual(await adopt(node, NETWORK), { changed: 0, broken: 1 });
});

Deno.test("leave() gives the node back as it was", async () => {
  const node = stockNode();
  await install(node);
  const ipam = ipamOf(node);
  const pod = await ipam.add("default/web-0");
  await ipam.del("default/web-0", pod!.id);
  await leave(node);
  assert.deepEqual(await typesOf(node), STOCK);
  assert.deepEqual(await ipam.store(), { "10.244.1.2": "old1\r\neth0" });
  assert.deepEqual(await node.fs.list("/etc/cni/net.d"), ["10-flannel.conflist"]);
  assert.deepEqual(await node.fs.list("/opt/cni/bin"), ["flannel", "host-local"]);
  assert.deepEqual(await node.fs.list("/var/lib/edge-agent/ipam"), []);
});

Deno.test("leave() works without flannel's config, and on a node that has nothing of ours", async () => {
  const node = stockNode();
  await install(node);
  await node.fs.remove("/etc/cni/net.d/10-flannel.conflist");
  await leave(node);
  assert.deepEqual(await typesOf(node), STOCK);
  await leave(node);
  assert.deepEqual(await node.fs.list("/etc/cni/net.d"), []);
});

Deno.test("leave() catches what pods wrote while it was at work", async () => {
  const node = stockNode();
  await install(node);
  node.clock.sleep = () =>
    node.fs.writeAtomic(`${SCRATCH}/late`, flannelScratch("edge-agent"), 0o600);
  await leave(node);
  assert.deepEqual(await typesOf(node), ["late host-local", ...STOCK]);
});

Deno.test("leave() gives back pods of a network that flannel's config called otherwise before", async () => {
  const node = stockNode();
  await install(node);
  const ipam = ipamOf(node);
  const pod = await ipam.add("default/web-0");
  await ipam.del("default/web-0", pod!.id);
  for (const path of ["/etc/cni/net.d/10-flannel.conflist", OURS]) {
    await node.fs.writeAtomic(path, FLANNEL_CONFLIST.replace("cbr0", "cbr1"), 0o644);
  }
  await reconcileConflist(node);
  await leave(node);
  assert.deepEqual(await typesOf(node), STOCK);
  assert.deepEqual(await ipam.store(), { "10.244.1.2": "old1\r\neth0" });
  assert.deepEqual(await node.fs.list("/var/lib/edge-agent/ipam"), []);
});

Deno.test("leave() catches a pod whose start outlasted all of the notice", async () => {
  const node = stockNode();
  await install(node);
  const remove = node.fs.remove.bind(node.fs);
  node.fs.remove = async (path) => {
    if (path === SHIM) {
      await node.fs.writeAtomic(`${SCRATCH}/late`, flannelScratch("edge-agent"), 0o600);
    }
    await remove(path);
  };
  await leave(node);
  assert.deepEqual(await typesOf(node), ["late host-local", ...STOCK]);
});

Deno.test("leave() beside an agent that installs everything again fails, and leaves the plugin", async () => {
  const node = stockNode();
  await install(node);
  node.clock.sleep = () => install(node);
  await assert.rejects(leave(node), /05-edge-agent\.conflist.* again.* stop the agent/);
  assert.ok(await node.fs.exists(SHIM));
});

const crash = fc.record({
  at: fc.nat(80),
  entries: fc.constantFrom("kept" as const, "lost" as const),
  bytes: fc.nat(300),
});

/** Runs a change that the power ends at some call; whether it came to its end. */
async function cutAt(
  { fs }: StockNode,
  { at, ...outcome }: { at: number; entries: "kept" | "lost"; bytes: number },
  change: () => Promise<unknown>,
): Promise<boolean> {
  let calls = 0;
  fs.fault = () => calls++ === at ? "crash" : undefined;
  const done = await change().then(() => true, () => false);
  fs.fault = () => undefined;
  fs.restart(outcome);
  return done;
}

Deno.test("install and adopt() that are cut anywhere, run again, come to the same end", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(crash, { maxLength: 3, size: "max" }), async (crashes) => {
      const node = stockNode();
      for (const crash of crashes) {
        await cutAt(node, crash, () => install(node));
        // Whoever names the plugin finds it.
        const named = (await typesOf(node)).some((type) => type.endsWith("edge-agent")) ||
          await node.fs.exists(OURS);
        if (named) assert.ok(await node.fs.exists(SHIM), "the plugin is named and not there");
      }
      await install(node);
      assert.deepEqual(await typesOf(node), [
        "old1 edge-agent",
        "old2 edge-agent",
        "other host-local",
      ]);
    }),
    { numRuns: 200 },
  );
});

Deno.test("leave() that is cut anywhere, run again, gives the node back", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(crash, { maxLength: 3, size: "max" }), async (crashes) => {
      const node = stockNode();
      await install(node);
      const ipam = new IpamNode(
        node.fs,
        new FakeHostLocal(node.fs),
        node.clock,
        node.paths,
        "/opt/cni/bin",
      );
      const pod = await ipam.add("default/web-0");
      await ipam.del("default/web-0", pod!.id);
      for (const crash of crashes) {
        await cutAt(node, crash, () => leave(node));
        const named = (await typesOf(node)).some((type) => type.endsWith("edge-agent")) ||
          await node.fs.exists(OURS);
        if (named) assert.ok(await node.fs.exists(SHIM), "the plugin is named and not there");
      }
      await leave(node);
      assert.deepEqual(await typesOf(node), STOCK);
      assert.equal(await node.fs.exists(SHIM), false);
      assert.equal(await node.fs.exists(OURS), false);
      assert.deepEqual(
        Object.values(await ipam.store()).filter((text) => /^(edge|$)/.test(text)),
        [],
      );
    }),
  );
});
