import assert from "node:assert/strict";
import { FakeFs } from "../../../tests/testing/fake_fs.ts";
import { FLANNEL_CONFLIST } from "../../../tests/testing/flannel_files.ts";
import { installShim, reconcileConflist } from "./install.ts";
import { ipamPaths } from "./ipam_paths.ts";

const FLANNEL = "/etc/cni/net.d/10-flannel.conflist";
const OURS = "/etc/cni/net.d/05-edge-agent.conflist";
const paths = ipamPaths();

Deno.test("reconcileConflist() writes what differs, and again when flannel's changes", async () => {
  const fs = new FakeFs({ [FLANNEL]: FLANNEL_CONFLIST });
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
  const fs = new FakeFs({ [FLANNEL]: FLANNEL_CONFLIST });
  await reconcileConflist({ fs, paths });
  const ours = await fs.readText(OURS);
  await fs.remove(FLANNEL);
  assert.equal((await reconcileConflist({ fs, paths })).state, "absent");
  await fs.writeAtomic(FLANNEL, "{", 0o644);
  assert.equal((await reconcileConflist({ fs, paths })).state, "refused");
  assert.equal(await fs.readText(OURS), ours);
});

Deno.test("reconcileConflist() does nothing on a node without a folder of networks", async () => {
  const fs = new FakeFs();
  assert.deepEqual(await reconcileConflist({ fs, paths }), { state: "absent" });
});

Deno.test("installShim() writes the plugin once, with its mode", async () => {
  const fs = new FakeFs();
  assert.equal(await installShim({ fs, paths }, ["/usr/local/bin/edge-agent"]), true);
  assert.equal(fs.modeOf("/opt/cni/bin/edge-agent"), 0o755);
  await fs.chmod("/opt/cni/bin/edge-agent", 0o600);
  assert.equal(await installShim({ fs, paths }, ["/usr/local/bin/edge-agent"]), false);
  assert.equal(fs.modeOf("/opt/cni/bin/edge-agent"), 0o755);
  assert.equal(await installShim({ fs, paths }, ["/opt/edge-agent"]), true);
});
