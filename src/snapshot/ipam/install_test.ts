import assert from "node:assert/strict";
import { FakeFs } from "../../../tests/testing/fake_fs.ts";
import { FLANNEL_CONFLIST } from "../../../tests/testing/flannel_files.ts";
import { installShim, reconcileConflist } from "./install.ts";
import { ipamPaths } from "./ipam_paths.ts";

const FLANNEL = "/etc/cni/net.d/10-flannel.conflist";
const OURS = "/etc/cni/net.d/05-edge-agent.conflist";
const paths = ipamPaths();
const STATE = "/var/lib/edge-agent";

/** A node with flannel's plugin, and its config. */
const flannelNode = (text = FLANNEL_CONFLIST) =>
  new FakeFs({ [FLANNEL]: text, "/opt/cni/bin/flannel": "" });

Deno.test("reconcileConflist() writes what differs, and again when flannel's changes", async () => {
  const fs = flannelNode();
  assert.equal((await reconcileConflist({ fs, paths })).state, "written");
  const before = fs.calls.length;
  assert.equal((await reconcileConflist({ fs, paths })).state, "unchanged");
  assert.ok(fs.calls.slice(before).every((call) => /^(list|read) /.test(call)));
  await fs.writeAtomic(FLANNEL, FLANNEL_CONFLIST.replace("0.3.1", "1.0.0"), 0o644);
  assert.equal((await reconcileConflist({ fs, paths })).state, "written");
  assert.equal(JSON.parse(await fs.readText(OURS)).cniVersion, "1.0.0");
  assert.equal(fs.modeOf(OURS), 0o644);
});

Deno.test("reconcileConflist() leaves ours when flannel's vanishes, and the node when it refuses", async () => {
  const fs = flannelNode();
  await reconcileConflist({ fs, paths });
  const ours = await fs.readText(OURS);
  await fs.remove(FLANNEL);
  assert.equal((await reconcileConflist({ fs, paths })).state, "absent");
  await fs.writeAtomic(FLANNEL, "[]", 0o644);
  assert.equal((await reconcileConflist({ fs, paths })).state, "refused");
  assert.equal(await fs.readText(OURS), ours);
});

Deno.test("reconcileConflist() does nothing on a node without a folder of networks", async () => {
  const fs = new FakeFs();
  assert.deepEqual(await reconcileConflist({ fs, paths }), { state: "absent" });
});

Deno.test.each([
  { what: "addresses", conf: { ipam: { dataDir: "/run/cni-ipam-state" } } },
  { what: "pods' configs", conf: { dataDir: "/run/flannel-scratch" } },
])("reconcileConflist() refuses a folder of $what that the agent may not use", async ({ conf }) => {
  const flannel = JSON.parse(FLANNEL_CONFLIST);
  Object.assign(flannel.plugins[0], conf);
  const fs = flannelNode(JSON.stringify(flannel));
  fs.fault = (_, path) => path.startsWith("/run/") ? { code: "EIO" } : undefined;
  const outcome = await reconcileConflist({ fs, paths });
  assert.equal(outcome.state, "refused");
  assert.match("reason" in outcome ? outcome.reason : "", /\/run\//);
  assert.equal(await fs.exists(OURS), false);
});

Deno.test("reconcileConflist() refuses a folder of plugins that is not the runtime's, since ours would not be found", async () => {
  const fs = new FakeFs({ [FLANNEL]: FLANNEL_CONFLIST, "/usr/lib/cni/flannel": "" });
  const outcome = await reconcileConflist({ fs, paths });
  assert.match(
    "reason" in outcome ? outcome.reason : "",
    /flannel is not in \/opt\/cni\/bin.*binDir/,
  );
  assert.equal(await fs.exists(OURS), false);
  const elsewhere = { ...paths, binDir: "/usr/lib/cni" };
  assert.equal((await reconcileConflist({ fs, paths: elsewhere })).state, "written");
});

Deno.test("installShim() writes the plugin once, with its mode", async () => {
  const fs = new FakeFs();
  assert.equal(await installShim({ fs, paths }, ["/usr/local/bin/edge-agent"], STATE), true);
  assert.equal(fs.modeOf("/opt/cni/bin/edge-agent"), 0o755);
  await fs.chmod("/opt/cni/bin/edge-agent", 0o600);
  assert.equal(await installShim({ fs, paths }, ["/usr/local/bin/edge-agent"], STATE), false);
  assert.equal(fs.modeOf("/opt/cni/bin/edge-agent"), 0o755);
  assert.equal(await installShim({ fs, paths }, ["/opt/edge-agent"], STATE), true);
  assert.equal(await installShim({ fs, paths }, ["/opt/edge-agent"], "/data"), true);
});
