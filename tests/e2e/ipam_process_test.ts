import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { permissionsOf, toFlags } from "../../dist/permissions.ts";
import { realHostLocal } from "../testing/real_host_local.ts";
import { runWithInput } from "../testing/run_with_input.ts";

const cniPath = await realHostLocal();
const ignore = cniPath === undefined;
const MAIN = fileURLToPath(new URL("../../main.ts", import.meta.url));

/** The plugin as a runtime starts it, with the permissions of the binary: from source, or EDGE_AGENT_BINARY. */
async function node() {
  const root = await Deno.makeTempDir({ prefix: "edge-agent-ipam-", dir: "/tmp" });
  const conf = {
    cniVersion: "0.3.1",
    name: "cbr0",
    type: "bridge",
    ipam: {
      type: "edge-agent",
      dataDir: `${root}/networks`,
      ranges: [[{ subnet: "10.244.1.0/24" }]],
    },
  };
  const binary = Deno.env.get("EDGE_AGENT_BINARY");
  const flags = toFlags(permissionsOf({ read: ["/tmp"], write: ["/tmp"] }));
  const argv = binary === undefined
    ? [Deno.execPath(), "run", "--quiet", ...flags, MAIN]
    : [binary];
  return {
    root,
    async call(command: string, env: Record<string, string>, stdin = JSON.stringify(conf)) {
      return await runWithInput(argv, stdin, {
        clearEnv: true,
        env: {
          // Where the runtime that runs the source has its packages.
          ...Object.fromEntries(
            ["HOME", "DENO_DIR"].map((name) => [name, Deno.env.get(name)])
              .filter(([, value]) => value !== undefined),
          ),
          PATH: `${cniPath}:/usr/bin:/bin`,
          EDGE_AGENT_ROOT: root,
          CNI_COMMAND: command,
          CNI_NETNS: `${root}/netns`,
          CNI_IFNAME: "eth0",
          CNI_PATH: cniPath!,
          ...env,
        },
      });
    },
    [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }),
  };
}

const pod = (name: string) => ({
  CNI_CONTAINERID: `id-of-${name}`,
  CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=${name}`,
});

Deno.test({
  name: "S33 the agent's program serves ADD and DEL with the permissions of the binary",
  ignore,
  fn: async () => {
    await using subject = await node();
    const first = await subject.call("ADD", pod("web-0"));
    assert.deepEqual([first.code, first.stderr], [0, ""], first.stdout);
    assert.deepEqual(await subject.call("DEL", pod("web-0")), { code: 0, stdout: "", stderr: "" });
    await subject.call("ADD", pod("other"));
    const again = await subject.call("ADD", { ...pod("web-0"), CNI_CONTAINERID: "new" });
    assert.deepEqual(JSON.parse(again.stdout).ips, JSON.parse(first.stdout).ips);
  },
});

Deno.test({
  name:
    "the agent's program keeps records, and looks for the saved network, in the state directory that it is told",
  ignore,
  fn: async () => {
    await using subject = await node();
    const folder = `${subject.root}/data`;
    await Deno.mkdir(folder);
    const pods = [{ network: "cbr0", namespace: "default", name: "web-0", ips: ["10.244.1.9"] }];
    await Deno.writeTextFile(`${folder}/network.json`, JSON.stringify({ content: { pods } }));
    const env = { ...pod("web-0"), EDGE_AGENT_STATE_DIR: "/data" };
    const { stdout } = await subject.call("ADD", env);
    assert.equal(JSON.parse(stdout).ips[0].address, "10.244.1.9/24");
    const records = await Array.fromAsync(Deno.readDir(`${folder}/ipam/cbr0`));
    assert.equal(records.length, 1);
  },
});

Deno.test({
  name: "S33 ten of the agent's programs at once give ten addresses",
  ignore,
  fn: async () => {
    await using subject = await node();
    const calls = Array.from({ length: 10 }, (_, i) => subject.call("ADD", pod(`web-${i}`)));
    const answers = await Promise.all(calls);
    assert.ok(answers.every(({ code }) => code === 0));
    const ips = answers.map(({ stdout }) => JSON.parse(stdout).ips[0].address);
    assert.equal(new Set(ips).size, 10);
  },
});

Deno.test({
  name: "the agent's program answers a runtime's mistakes on stdout, with code 1",
  ignore,
  fn: async () => {
    await using subject = await node();
    const broken = await subject.call("ADD", pod("web-0"), "{");
    assert.deepEqual([broken.code, JSON.parse(broken.stdout).code, broken.stderr], [1, 6, ""]);
    const long = await subject.call("ADD", pod("web-0"), `{"x":"${"x".repeat(2 ** 21)}"}`);
    assert.deepEqual([long.code, JSON.parse(long.stdout).code], [1, 6]);
    const unknown = await subject.call("FROBNICATE", pod("web-0"));
    assert.deepEqual([unknown.code, JSON.parse(unknown.stdout).code], [1, 4]);
  },
});
