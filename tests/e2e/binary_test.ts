import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { FakeApiServer } from "../../src/demo/fake_api_server.ts";
import { until } from "../cluster/poll.ts";
import { AgentProcess, runAgent } from "../testing/agent_process.ts";

const BINARY = Deno.env.get("EDGE_AGENT_BINARY");
const ignore = BINARY === undefined;
if (ignore) {
  Deno.stderr.writeSync(
    new TextEncoder().encode(
      "skipped: tests of the compiled binary, as EDGE_AGENT_BINARY is not set " +
        "(deno task compile, then deno task test:binary)\n",
    ),
  );
}

/** The parts of a list that are looked at here. */
interface PodList {
  readonly items: readonly { readonly metadata: { readonly name: string } }[];
}

/** A node's directory with a config for a fake cloud; the binary may write below /tmp only. */
class Node implements AsyncDisposable {
  private constructor(readonly folder: string, readonly config: string) {}

  static async create(cloudUrl: string): Promise<Node> {
    const folder = await mkdtemp("/tmp/edge-agent-binary-");
    const config = join(folder, "config.yaml");
    await writeFile(join(folder, "token"), "cloud-token");
    const text = {
      stateDir: join(folder, "state"),
      log: { format: "json" },
      admin: { listen: "127.0.0.1:0" },
      proxy: {
        listen: "127.0.0.1:0",
        upstream: { server: cloudUrl },
        identities: [{ name: "kubelet", tokenFile: join(folder, "token") }],
      },
    };
    await writeFile(config, JSON.stringify(text));
    return new Node(folder, config);
  }

  start(): AgentProcess {
    return new AgentProcess(["run", "--config", this.config]);
  }

  /** Lists the pods as the kubelet would: local token, TLS with the agent's own authority. */
  async pods(agent: AgentProcess, resourceVersion: string): Promise<PodList> {
    const { listeners } = await agent.logged("edge-agent is running");
    const ca = await readFile(join(this.folder, "state", "pki", "ca.crt"), "utf8");
    const token = await readFile(join(this.folder, "state", "tokens", "kubelet"), "utf8");
    using client = Deno.createHttpClient({ caCerts: [ca], poolMaxIdlePerHost: 0 });
    const url = `${
      (listeners as { proxy: string }).proxy
    }/api/v1/pods?resourceVersion=${resourceVersion}`;
    const response = await fetch(url, {
      client,
      headers: { authorization: `Bearer ${token.trim()}` },
    });
    assert.equal(response.status, 200, await response.clone().text());
    return await response.json();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

const names = ({ items }: PodList) => items.map(({ metadata }) => metadata.name).sort();

/** Resolves once a whole list of `count` objects is on disk. */
async function untilStored(node: Node, count: number): Promise<void> {
  await until(`${count} objects in state.db`, () => {
    using db = new DatabaseSync(join(node.folder, "state", "state.db"), { readOnly: true });
    const row = db.prepare(
      "SELECT count(*) AS n FROM items JOIN scopes ON scopes.id = items.scope WHERE complete = 1",
    ).get();
    return row?.n === count;
  });
}

async function startCloud(): Promise<FakeApiServer> {
  const cloud = await FakeApiServer.start({ tokens: { "cloud-token": "system:node:edge" } });
  for (const name of ["a", "b", "c"]) cloud.create("pods", { metadata: { name } });
  return cloud;
}

Deno.test(
  { name: "the binary serves lists from its state when the cloud is gone", ignore },
  async () => {
    await using cloud = await startCloud();
    await using node = await Node.create(cloud.url);
    await using agent = node.start();
    assert.deepEqual(names(await node.pods(agent, "0")), ["a", "b", "c"]);
    await cloud[Symbol.asyncDispose]();
    assert.deepEqual(names(await node.pods(agent, "0")), ["a", "b", "c"]);
  },
);

Deno.test({ name: "the binary keeps its state over kill -9", ignore }, async () => {
  await using cloud = await startCloud();
  await using node = await Node.create(cloud.url);
  {
    await using agent = node.start();
    assert.deepEqual(names(await node.pods(agent, "0")), ["a", "b", "c"]);
    await untilStored(node, 3);
    agent.kill("SIGKILL");
    await agent.exit();
  }
  await cloud[Symbol.asyncDispose]();
  await using again = node.start();
  assert.deepEqual(names(await node.pods(again, "0")), ["a", "b", "c"]);
});

Deno.test(
  { name: "the binary stops on SIGTERM with 0 and leaves nothing in /tmp", ignore },
  async () => {
    await using node = await Node.create("http://127.0.0.1:9");
    const before = await readdir("/tmp");
    await using agent = node.start();
    await agent.logged("edge-agent is running");
    agent.kill("SIGTERM");
    assert.equal(await agent.exit(), 0, agent.stderr);
    // Deno's code cache would be a file of a name that anyone can foresee.
    const made = (await readdir("/tmp")).filter((name) => !before.includes(name));
    assert.deepEqual(made.filter((name) => name.startsWith("deno-compile")), []);
  },
);

Deno.test({ name: "the binary tells its whole story in the demo", ignore }, async () => {
  const { code, stdout, stderr } = await runAgent(["demo"]);
  assert.equal(code, 0, stdout + stderr);
});

Deno.test({ name: "the binary does not write where it was not built to", ignore }, async () => {
  await using node = await Node.create("http://127.0.0.1:9");
  const config = JSON.parse(await readFile(node.config, "utf8"));
  const stateDir = "/var/opt/edge-agent-binary-test";
  await writeFile(node.config, JSON.stringify({ ...config, stateDir }));
  const { code, stderr } = await runAgent(["run", "--config", node.config]);
  assert.notEqual(code, 0);
  assert.ok(stderr.includes(stateDir), stderr);
  assert.doesNotMatch(stderr, /^\s+at |file:\/\/|not foreseen/m);
  assert.equal(await stat(stateDir).then(() => true, () => false), false);
});

Deno.test({ name: "the binary does not read where it was not built to", ignore }, async () => {
  const { code, stderr } = await runAgent(["config", "check", "--config", "/etc/passwd"]);
  assert.notEqual(code, 0);
  assert.ok(stderr.includes("/etc/passwd"), stderr);
  assert.doesNotMatch(stderr, /root:|^\s+at |file:\/\/|not foreseen/m);
});
