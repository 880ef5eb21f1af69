import assert from "node:assert/strict";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { renderShim } from "../../src/snapshot/ipam/shim.ts";
import { realHostLocal } from "../testing/real_host_local.ts";

/** A folder of plugins with a stand-in for host-local, the plugin, and an agent that prints its PATH. */
async function plugins(agentName = "the agent's") {
  const root = await Deno.makeTempDir();
  const bin = `${root}/cni bin`;
  const agent = `${root}/${agentName}`;
  await mkdir(bin);
  const script = async (path: string, text: string) => {
    await writeFile(path, text);
    await chmod(path, 0o755);
  };
  await script(`${bin}/host-local`, `#!/bin/sh\necho "host-local $CNI_COMMAND"; cat\n`);
  await script(`${bin}/edge-agent`, renderShim([agent]));
  return {
    root,
    bin,
    agent,
    script,
    async call(command: string, env: Record<string, string> = {}) {
      const child = new Deno.Command(`${bin}/edge-agent`, {
        clearEnv: true,
        env: { PATH: "/usr/bin:/bin", CNI_PATH: bin, CNI_COMMAND: command, ...env },
        stdin: "piped",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode("conf")).catch(() => {});
      await writer.close().catch(() => {});
      const { code, stdout, stderr } = await child.output();
      const decoder = new TextDecoder();
      return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
    },
    [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }),
  };
}

Deno.test("the plugin file starts the agent, with host-local before everything on PATH", async () => {
  await using files = await plugins();
  await files.script(files.agent, `#!/bin/sh\necho "agent $PATH"; cat\n`);
  const { code, stdout } = await files.call("ADD");
  assert.deepEqual([code, stdout], [0, `agent ${files.bin}:/usr/bin:/bin\nconf`]);
});

Deno.test.each(["missing", "empty", "not executable", "a folder"])(
  "the plugin file starts host-local when the agent is %s",
  async (what) => {
    await using files = await plugins();
    if (what === "a folder") await mkdir(files.agent);
    else if (what !== "missing") {
      await writeFile(files.agent, what === "empty" ? "" : "#!/bin/sh\necho agent\n");
      await chmod(files.agent, what === "empty" ? 0o755 : 0o644);
    }
    const { code, stdout } = await files.call("DEL");
    assert.deepEqual([code, stdout], [0, "host-local DEL\nconf"]);
  },
);

Deno.test("the plugin file lets host-local tell its versions", async () => {
  await using files = await plugins();
  await files.script(files.agent, "#!/bin/sh\nexit 9\n");
  assert.equal((await files.call("VERSION")).stdout, "host-local VERSION\nconf");
});

Deno.test("the plugin file takes a path of any characters for what it is", async () => {
  await using files = await plugins("a $(touch x) `b` \"c\" 'd' \\");
  await files.script(files.agent, "#!/bin/sh\necho agent\n");
  assert.equal((await files.call("ADD")).stdout, "agent\n");
});

const cniPath = await realHostLocal();

Deno.test({
  name: "S33 a node whose agent was deleted carelessly still ends pods, by the real host-local",
  ignore: cniPath === undefined,
  fn: async () => {
    await using files = await plugins();
    const env = { CNI_PATH: cniPath!, CNI_CONTAINERID: "c1", CNI_IFNAME: "eth0" };
    const { code, stdout } = await files.call("VERSION", env);
    assert.equal(code, 0);
    assert.match(stdout, /supportedVersions/);
  },
});

const shellcheck = await new Deno.Command("shellcheck", { args: ["--version"], stdout: "null" })
  .output().then(({ success }) => success, () => false);

Deno.test({
  name: "the plugin file is clean for shellcheck (skipped where there is none)",
  ignore: !shellcheck,
  fn: async () => {
    await using files = await plugins();
    const { success, stdout } = await new Deno.Command("shellcheck", {
      args: [`${files.bin}/edge-agent`],
    }).output();
    assert.ok(success, new TextDecoder().decode(stdout));
  },
});
