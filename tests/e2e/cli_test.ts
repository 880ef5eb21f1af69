import assert from "node:assert/strict";
import { AgentProcess, runAgent } from "../testing/agent_process.ts";

/** A temporary directory with a configuration whose cloud is out of reach. */
async function prepare(text?: (dir: string) => string) {
  const dir = await Deno.makeTempDir({ prefix: "edge-agent-cli-" });
  const path = `${dir}/config.yaml`;
  const working = `stateDir: ${dir}/state
log: {format: json}
admin: {listen: "127.0.0.1:0"}
proxy:
  listen: 127.0.0.1:0
  upstream: {server: "https://127.0.0.1:9"}
  identities: [{name: kubelet, tokenFile: ${dir}/token}]
`;
  const write = (content: string) => Deno.writeTextFile(path, content);
  await write(text?.(dir) ?? working);
  await Deno.writeTextFile(`${dir}/token`, "cloud-token");
  return {
    dir,
    path,
    working,
    write,
    [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }),
  };
}

/** Nothing that a user sees has a stack trace in it. */
function assertNoStack(...texts: string[]): void {
  for (const text of texts) assert.doesNotMatch(text, /^\s+at .*:\d+|file:\/\/|\.ts:\d+/m);
}

Deno.test("version tells the agent's and the runtime's", async () => {
  const { code, stdout, stderr } = await runAgent(["version"]);
  assert.equal(code, 0);
  assert.match(stdout, /^edge-agent \d+\.\d+\.\d+\ndeno \d+\.\d+\.\d+ \(v8 .*\)\n\w+ \w+\nclient/);
  assert.equal(stderr, "");
});

Deno.test("version --output json is one object", async () => {
  const { code, stdout } = await runAgent(["version", "--output", "json"]);
  assert.equal(code, 0);
  assert.deepEqual(
    Object.keys(JSON.parse(stdout)),
    ["version", "deno", "v8", "os", "arch", "clientCertificates"],
  );
});

Deno.test("--help lists every command", async () => {
  const { code, stdout, stderr } = await runAgent(["--help"]);
  assert.equal(code, 0);
  assert.equal(stderr, "");
  for (const command of ["run", "proxy", "demo", "config", "version"]) {
    assert.match(stdout, new RegExp(`^ {2}${command} `, "m"));
  }
});

Deno.test.each([
  { args: ["vresion"], why: /no command "vresion", did you mean `version`\?/ },
  { args: ["config", "chek"], why: /no command "chek", did you mean `check`\?/ },
  { args: ["run", "--confg", "x"], why: /--confg, did you mean --config\?/ },
  { args: ["run", "--log-level", "loud"], why: /Expected "loud" to be one of/ },
  { args: ["run", "now"], why: /Too many arguments/ },
  { args: ["run", "--config"], why: /Expected input for flag --config/ },
])("$args is refused with exit code 2 and a hint", async ({ args, why }) => {
  const { code, stdout, stderr } = await runAgent(args);
  assert.equal(code, 2);
  assert.match(stderr, /^edge-agent: /);
  assert.match(stderr, why);
  assert.equal(stdout, "");
  assertNoStack(stderr);
});

Deno.test("config check tells all that is wrong at once", async () => {
  await using files = await prepare(() =>
    `statedir: /x
log: {level: verbose}
proxy:
  listen: 51003
  upstream: {caFile: ca.crt}
  identities: [{name: kubelet}]
`
  );
  const { code, stdout, stderr } = await runAgent(["config", "check", "--config", files.path]);
  assert.equal(code, 2);
  assert.equal(stdout, "");
  const wanted = [
    "edge-agent: The configuration has 6 errors:",
    `${files.path}:1:1: statedir is no known key (it is "/x"): did you mean "stateDir"?`,
    `${files.path}:2:7: log.level must be one of "debug", "info", "warn", "error" (it is "verbose")`,
    `${files.path}:4:3: proxy.listen must be host:port`,
    `${files.path}:5:3: proxy.upstream needs "kubeconfig", "server" or "servers"`,
    `${files.path}:5:14: proxy.upstream.caFile must be an absolute path`,
    `${files.path}:6:16: proxy.identities[0] needs a credential`,
  ];
  for (const want of wanted) assert.ok(stderr.includes(want), `${want}\nnot in\n${stderr}`);
  assertNoStack(stderr);
});

Deno.test("config check --output json gives the errors as data", async () => {
  await using files = await prepare(() => "log: {level: x}\n");
  const args = ["config", "check", "--output", "json", "--config", files.path];
  const { code, stdout } = await runAgent(args);
  assert.equal(code, 2);
  const { ok, errors } = JSON.parse(stdout);
  assert.equal(ok, false);
  assert.deepEqual(
    errors.map(({ path, position }: { path: string; position: unknown }) => ({
      path,
      position,
    })),
    [{ path: "log.level", position: { line: 1, column: 7 } }],
  );
});

Deno.test("config check names the line of what is no YAML", async () => {
  await using files = await prepare(() => "log:\n\tlevel: info\n");
  const { code, stderr } = await runAgent(["config", "check", "--config", files.path]);
  assert.equal(code, 2);
  assert.ok(stderr.includes(`${files.path}:2:`), stderr);
  assertNoStack(stderr);
});

Deno.test("config print shows the effect of file, variables and flags, and can be read back", async () => {
  await using files = await prepare();
  const { code, stdout } = await runAgent(
    ["config", "print", "--config", files.path, "--log-level", "warn"],
    { EDGE_AGENT_PROXY_LISTEN: "127.0.0.1:6443", EDGE_AGENT_LOG_LEVEL: "debug" },
  );
  assert.equal(code, 0);
  assert.match(stdout, /^ {2}level: warn$/m);
  assert.match(stdout, /^ {2}listen: 127\.0\.0\.1:6443$/m);
  assert.match(stdout, /^ {4}maxBytes: 8Mi$/m);
  assert.ok(!stdout.includes("cloud-token"));
  await files.write(stdout);
  const again = await runAgent(["config", "print"], { EDGE_AGENT_CONFIG: files.path });
  assert.equal(again.stdout, stdout);
});

Deno.test("run says how to make a configuration when there is none", async () => {
  await using files = await prepare();
  const { code, stderr } = await runAgent(["run", "--root", files.dir]);
  assert.equal(code, 2);
  assert.ok(stderr.includes(`no configuration at ${files.dir}/etc/edge-agent/config.yaml`), stderr);
  assert.match(stderr, /--config[^]*proxy:\n\s+upstream:/);
  assertNoStack(stderr);
});

Deno.test("run refuses a configuration that enables nothing", async () => {
  await using files = await prepare(() => "log: {level: info}\n");
  const { code, stderr } = await runAgent(["run", "--config", files.path]);
  assert.equal(code, 2);
  assert.match(stderr, /enables no module: add a section for one \(proxy/);
  assertNoStack(stderr);
});

Deno.test.each([
  { listener: "admin", variable: "EDGE_AGENT_ADMIN_LISTEN" },
  { listener: "proxy", variable: "EDGE_AGENT_PROXY_LISTEN" },
])("run fails with exit code 1 when the port of $listener is taken", async ({ variable }) => {
  await using files = await prepare();
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const address = `127.0.0.1:${taken.addr.port}`;
  const { code, stderr } = await runAgent(["run", "--config", files.path], { [variable]: address });
  assert.equal(code, 1);
  assert.ok(stderr.includes(`edge-agent: Cannot listen on ${address}: `), stderr);
  assertNoStack(stderr);
});

Deno.test("run shows where an error came from only at log level debug", async () => {
  await using files = await prepare();
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const env = { EDGE_AGENT_ADMIN_LISTEN: `127.0.0.1:${taken.addr.port}` };
  const args = ["run", "--config", files.path, "--log-level", "debug"];
  const { code, stderr } = await runAgent(args, env);
  assert.equal(code, 1);
  assert.match(stderr, /^\s+at /m);
});

Deno.test("run names a credential file that is not there", async () => {
  await using files = await prepare((dir) =>
    `stateDir: ${dir}/state
admin: {listen: "127.0.0.1:0"}
proxy: {listen: "127.0.0.1:0", upstream: {kubeconfig: ${dir}/absent.conf}}
`
  );
  const { code, stderr } = await runAgent(["run", "--config", files.path]);
  assert.notEqual(code, 0);
  assert.ok(stderr.includes(`${files.dir}/absent.conf`), stderr);
  assertNoStack(stderr);
});

Deno.test.each(["SIGTERM", "SIGINT"] as const)(
  "run serves until %s and then ends with exit code 0 within 5 s",
  async (signal) => {
    await using files = await prepare();
    await using agent = new AgentProcess(["run", "--config", files.path]);
    const { listeners, version } = await agent.logged("edge-agent is running");
    const { admin, proxy } = listeners as Record<string, string>;
    assert.match(String(version), /^\d+\.\d+\.\d+$/);
    assert.match(proxy ?? "", /^https:\/\/127\.0\.0\.1:\d+$/);
    assert.equal(await (await fetch(`${admin}/livez`)).text(), "ok\n");
    const { modules } = await (await fetch(`${admin}/status`)).json();
    assert.deepEqual(modules.map(({ name }: { name: string }) => name), ["admin", "proxy"]);
    const killedAt = performance.now();
    agent.kill(signal);
    assert.equal(await agent.exit(), 0, agent.stderr);
    assert.ok(performance.now() - killedAt < 5_000);
    assert.deepEqual(await agent.logged("edge-agent stopped"), { signal });
    assert.equal(agent.stdout, "");
    assertNoStack(agent.stderr);
  },
);

Deno.test("run --root keeps all its files below the root", async () => {
  await using files = await prepare();
  await Deno.mkdir(`${files.dir}/etc/edge-agent`, { recursive: true });
  await Deno.writeTextFile(
    `${files.dir}/etc/edge-agent/config.yaml`,
    files.working.replace(/stateDir:.*\n/, ""),
  );
  await using agent = new AgentProcess(["proxy", "--root", files.dir]);
  await agent.logged("edge-agent is running");
  const info = await Deno.stat(`${files.dir}/var/lib/edge-agent`);
  assert.equal((info.mode ?? 0) & 0o777, 0o700);
  agent.kill("SIGTERM");
  assert.equal(await agent.exit(), 0);
});

Deno.test("SIGHUP keeps the old configuration when the new one is broken, and takes a good one", async () => {
  await using files = await prepare();
  await using agent = new AgentProcess(["run", "--config", files.path]);
  const { listeners } = await agent.logged("edge-agent is running");
  const { admin } = listeners as Record<string, string>;

  await files.write("log: {level: verbose}\nproxi: {}\n");
  agent.kill("SIGHUP");
  const { error } = await agent.logged("configuration is kept: the new one can not be used");
  assert.match(String(error), /log\.level[^]*did you mean "proxy"\?/);
  assert.equal(await (await fetch(`${admin}/livez`)).text(), "ok\n");

  const moved = files.working.replace("format: json", "format: json, level: debug")
    .replace("/state", "/elsewhere");
  await files.write(moved);
  agent.kill("SIGHUP");
  assert.deepEqual(
    await agent.logged("configuration read again: some changes need a restart"),
    { applied: ["log.level"], needRestart: ["stateDir"] },
  );

  await files.write(files.working.replace("format: json", "format: json, level: debug"));
  agent.kill("SIGHUP");
  await agent.logged("configuration read again: nothing changed");

  assert.equal(await (await fetch(`${admin}/livez`)).text(), "ok\n");
  agent.kill("SIGTERM");
  assert.equal(await agent.exit(), 0);
  assertNoStack(agent.stderr);
});

Deno.test("demo tells its whole story, leaves nothing behind and ends with exit code 0", async () => {
  await using files = await prepare();
  await Deno.mkdir(`${files.dir}/tmp`);
  await using demo = new AgentProcess(["demo"], { TMPDIR: `${files.dir}/tmp` });
  const code = await demo.exit();
  assert.match(demo.stdout, /All \d+ steps held/);
  assert.equal(code, 0, demo.stderr);
  assert.equal(demo.stderr, "");
  assert.deepEqual(await Array.fromAsync(Deno.readDir(`${files.dir}/tmp`)), []);
});

Deno.test("demo cleans up when it is interrupted", async () => {
  await using files = await prepare();
  await Deno.mkdir(`${files.dir}/tmp`);
  await using demo = new AgentProcess(["demo"], { TMPDIR: `${files.dir}/tmp` });
  await demo.printed("The link is cut");
  demo.kill("SIGINT");
  assert.equal(await demo.exit(), 1);
  assert.match(demo.stderr, /^edge-agent: The demo was interrupted\n$/);
  assert.deepEqual(await Array.fromAsync(Deno.readDir(`${files.dir}/tmp`)), []);
});
