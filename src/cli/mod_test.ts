import assert from "node:assert/strict";
import { StubHost } from "../../tests/testing/stub_host.ts";
import { runCli } from "./mod.ts";

async function run(args: readonly string[], env: Record<string, string> = {}) {
  const host = new StubHost(env);
  const code = await runCli(args, host);
  return { code, stdout: host.stdout, stderr: host.stderr };
}

Deno.test("runCli() prints the version as text and as JSON", async () => {
  const { code, stdout, stderr } = await run(["version"]);
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(stdout, /^edge-agent \d[^\n]*\ndeno 2\.9\.6 \(v8 15\.0\.245\)\nlinux x86_64\n/);
  assert.match(stdout, /client certificates: supported\n$/);
  const { stdout: json } = await run(["version", "--output=json"]);
  assert.equal(JSON.parse(json).clientCertificates, true);
});

Deno.test.each([
  { args: [], code: 0 },
  { args: ["--help"], code: 0 },
  { args: ["--version"], code: 0 },
  { args: ["config"], code: 0 },
  { args: ["nothing"], code: 2 },
  { args: ["version", "--output", "xml"], code: 2 },
  { args: ["version", "--colour"], code: 2 },
  { args: ["config", "check", "--config", "/nowhere/config.yaml"], code: 2 },
])("runCli() ends $args with $code", async ({ args, code }) => {
  const got = await run(args);
  assert.equal(got.code, code);
  assert.equal(got.stderr === "", code === 0);
});

Deno.test("runCli() shows an error without its stack unless the log level is debug", async () => {
  const args = ["config", "check", "--config", "/nowhere/config.yaml"];
  const plain = await run(args);
  assert.match(plain.stderr, /^edge-agent: There is no configuration at \/nowhere\/config\.yaml/);
  assert.doesNotMatch(plain.stderr, /^\s+at /m);
  for (const debug of [["--log-level", "debug"], ["--log-level=debug"]]) {
    assert.match((await run([...args, ...debug])).stderr, /^\s+at /m);
  }
  assert.match((await run(args, { EDGE_AGENT_LOG_LEVEL: "debug" })).stderr, /^\s+at /m);
});
