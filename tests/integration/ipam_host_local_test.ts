import { createExec } from "../../src/platform/exec.ts";
import { createFs } from "../../src/platform/fs.ts";
import { FakeFs } from "../testing/fake_fs.ts";
import { FakeHostLocal } from "../testing/fake_host_local.ts";
import { hostLocalContract } from "../testing/host_local_contract.ts";
import { realHostLocal } from "../testing/real_host_local.ts";

const cniPath = await realHostLocal();

hostLocalContract("the real host-local", async () => {
  const dataDir = await Deno.makeTempDir();
  return {
    exec: createExec(),
    fs: createFs(),
    dataDir,
    cniPath: cniPath!,
    [Symbol.asyncDispose]: () => Deno.remove(dataDir, { recursive: true }),
  };
}, cniPath === undefined);

hostLocalContract("FakeHostLocal", () => {
  const fs = new FakeFs();
  return Promise.resolve({
    exec: new FakeHostLocal(fs),
    fs,
    dataDir: "/var/lib/cni/networks",
    cniPath: "/opt/cni/bin",
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
});
