import assert from "node:assert/strict";
import { access, chmod, mkdir, writeFile } from "node:fs/promises";
import { renderShim } from "../../src/snapshot/ipam/shim.ts";
import { realHostLocal } from "../testing/real_host_local.ts";
import { runWithInput } from "../testing/run_with_input.ts";

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
  await script(`${bin}/edge-agent`, renderShim([agent], "/data/its state"));
  return {
    root,
    bin,
    agent,
    script,
    async call(command: string, env: Record<string, string> = {}, conf = "conf") {
      return await runWithInput([`${bin}/edge-agent`], conf, {
        clearEnv: true,
        env: { PATH: "/usr/bin:/bin", CNI_PATH: bin, CNI_COMMAND: command, ...env },
      });
    },
    [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }),
  };
}

Deno.test("the plugin file starts the agent, with host-local before everything on PATH", async () => {
  await using files = await plugins();
  await files.script(files.agent, `#!/bin/sh\necho "agent $PATH"; cat\n`);
  const { code, stdout } = await files.call("ADD");
  assert.deepEqual([code, stdout], [0, `agent ${files.bin}:/usr/bin:/bin\nconf\n`]);
});

Deno.test("the plugin file tells the agent where its state is, whatever the runtime's environment says", async () => {
  await using files = await plugins();
  await files.script(files.agent, '#!/bin/sh\necho "$EDGE_AGENT_STATE_DIR"\n');
  const { stdout } = await files.call("ADD", { EDGE_AGENT_STATE_DIR: "/elsewhere" });
  assert.equal(stdout, "/data/its state\n");
});

Deno.test("the plugin file keeps from the agent what the dynamic linker is told, or it could start nothing", async () => {
  await using files = await plugins();
  await files.script(files.agent, "#!/bin/sh\nenv | grep -c ^LD_\n");
  const linker = { LD_LIBRARY_PATH: "/snap/lib", LD_PRELOAD: "", LD_BIND_NOW: "1" };
  assert.equal((await files.call("DEL", linker)).stdout, "0\n");
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

Deno.test.each([
  { what: "is damaged", text: "\0".repeat(4096) },
  { what: "crashes", text: "#!/bin/sh\nkill -SEGV $$\n" },
  { what: "can't load its libraries", text: "#!/bin/sh\nexit 127\n" },
  { what: "has lost its program", text: "#!/bin/sh\necho no section >&2\nexit 1\n" },
])("the plugin file starts host-local when the agent $what", async ({ text }) => {
  await using files = await plugins();
  await files.script(files.agent, text);
  const { code, stdout, stderr } = await files.call("DEL");
  assert.deepEqual([code, stdout], [0, "host-local DEL\nconf"]);
  assert.match(stderr, /edge-agent: .*the agent's ended with \d+/);
});

Deno.test.each([
  { what: "its answer", text: "#!/bin/sh\necho done", want: [0, "done\n"] },
  { what: "nothing", text: "#!/bin/sh\ncat >/dev/null", want: [0, ""] },
  { what: "its error", text: `#!/bin/sh\necho '{"code":7}'\nexit 1`, want: [1, '{"code":7}\n'] },
  { what: "that it was killed", text: "#!/bin/sh\nkill -KILL $$", want: [137, ""] },
])("the plugin file hands on $what of the agent", async ({ text, want }) => {
  await using files = await plugins();
  await files.script(files.agent, text);
  const { code, stdout } = await files.call("ADD");
  assert.deepEqual([code, stdout], want);
});

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
    const env = {
      CNI_PATH: cniPath!,
      CNI_CONTAINERID: "c1",
      CNI_IFNAME: "eth0",
      CNI_NETNS_OVERRIDE: "1",
    };
    const ipam = {
      type: "edge-agent",
      dataDir: `${files.root}/networks`,
      ranges: [[{ subnet: "10.244.1.0/24" }]],
    };
    const address = `${files.root}/networks/cbr0/10.244.1.2`;
    await mkdir(`${files.root}/networks/cbr0`, { recursive: true });
    await writeFile(address, "c1\r\neth0");
    const conf = JSON.stringify({ cniVersion: "0.3.1", name: "cbr0", type: "bridge", ipam });
    assert.deepEqual(await files.call("DEL", env, conf), { code: 0, stdout: "", stderr: "" });
    await assert.rejects(access(address), { code: "ENOENT" });
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
