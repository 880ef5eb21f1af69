import assert from "node:assert/strict";
import {
  type DemoAgent,
  type DemoAgentOptions,
  type DemoPorts,
  runDemo,
} from "../../src/demo/mod.ts";
import { systemClock } from "../../src/kernel/clock.ts";
import { createCa, issueServingCert } from "../../src/kube/pki.ts";
import { createFs } from "../../src/platform/fs.ts";
import { createHost } from "../../src/platform/host.ts";
import { createHttpClient, serveHttp } from "../../src/platform/net.ts";
import { ProxyConfig } from "../../src/proxy/config.ts";
import { createProxy } from "../../src/proxy/mod.ts";
import { moduleLogger } from "../../src/telemetry/logger.ts";
import { createRegistry } from "../../src/telemetry/metrics.ts";

const fs = createFs();
const host = createHost();

/** The real proxy with the one identity that the demo asks for. */
async function startProxy(
  { stateDir, server, caFile, tokenFile }: DemoAgentOptions,
): Promise<DemoAgent> {
  const config = ProxyConfig.parse({
    listen: "127.0.0.1:0",
    upstream: { server, caFile },
    identities: [{ name: "demo", tokenFile }],
  });
  const proxy = createProxy(config, {
    clock: systemClock,
    fs,
    logger: moduleLogger("proxy"),
    registry: createRegistry(),
    stateDir,
    random: () => host.random(),
  });
  const stop = new AbortController();
  await proxy.start(stop.signal);
  return {
    url: proxy.url,
    caCert: await fs.readText(`${stateDir}/pki/ca.crt`),
    token: await fs.readText(`${stateDir}/tokens/demo`),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

/** What a node has without an agent: whatever the cloud says, if it says anything. */
async function startPassThrough(
  { server, caFile, tokenFile }: DemoAgentOptions,
): Promise<DemoAgent> {
  const ca = await createCa("pass-through");
  const tls = await issueServingCert(ca, ["127.0.0.1"]);
  const client = createHttpClient({ caCerts: [await fs.readText(caFile)], protocol: "h2" });
  const token = await fs.readText(tokenFile);
  const gone = new AbortController();
  const listener = serveHttp({ hostname: "127.0.0.1", port: 0, tls }, async (request) => {
    const { pathname, search } = new URL(request.url);
    const signal = AbortSignal.any([request.signal, gone.signal]);
    try {
      return await client.fetch(`${server}${pathname}${search}`, {
        headers: request.headers,
        signal,
      });
    } catch {
      return new Response("bad gateway", { status: 502 });
    }
  });
  return {
    url: `https://127.0.0.1:${listener.port}`,
    caCert: ca.cert,
    token,
    async [Symbol.asyncDispose]() {
      gone.abort();
      await listener[Symbol.asyncDispose]();
      client[Symbol.dispose]();
    },
  };
}

/** Runs the demo and gives back what it printed and left. */
async function run(
  startAgent: DemoPorts["startAgent"],
  options: Partial<DemoPorts> = {},
  watchOutput: (text: string) => void = () => {},
): Promise<{ code: number; text: string; held: string[]; failed: string[] }> {
  let text = "";
  const directories = new Set<string>();
  const code = await runDemo({
    clock: systemClock,
    fs,
    async makeTempDir(prefix) {
      const path = await host.makeTempDir(prefix);
      directories.add(path);
      return path;
    },
    async removeTempDir(path) {
      await host.removeTempDir(path);
      directories.delete(path);
    },
    print(part) {
      text += part;
      watchOutput(text);
    },
    isTerminal: false,
    startAgent,
    ...options,
  });
  assert.deepEqual([...directories], [], "the temporary directory is left behind");
  const marked = (mark: string) =>
    text.split("\n").filter((line) => line.includes(` ${mark} `)).map((line) => line.slice(11));
  return { code, text, held: marked("✓"), failed: marked("✗") };
}

Deno.test("runDemo() holds each step with the real proxy", async () => {
  const { code, text, failed } = await run(startProxy);
  assert.deepEqual(failed, [], text);
  assert.equal(code, 0);
  assert.match(text, /\n {2}All 17 steps held, in \d+\.\d s\.\n$/);
  for (const line of text.split("\n")) assert.ok(line.length <= 80, line);
});

Deno.test("runDemo() fails with an agent that only passes requests through", async () => {
  const { code, text, held, failed } = await run(startPassThrough, { answerLimitMs: 500 });
  assert.equal(code, 1);
  assert.equal(held.length + failed.length, 17, text);
  // Nothing of this needs a cache.
  assert.ok(held.some((step) => step.startsWith("112 objects of 5 resources listed")), text);
  for (
    const step of [
      "the first answer after the cut",
      "24 further answers",
      "the first answer after the restart",
      "discovery and one object",
      "what it never saw",
      "the watches go on where they were",
      "changes in the cloud",
      "the difference, as soon as the agent sees the link",
    ]
  ) {
    assert.ok(failed.some((line) => line.startsWith(`${step}:`)), `${step} held:\n${text}`);
  }
  assert.match(text, /no answer within 500 ms/);
});

Deno.test("runDemo() fails with an agent that forgets everything when it restarts", async () => {
  let starts = 0;
  const { code, text, failed } = await run(
    (options) => startProxy({ ...options, stateDir: `${options.stateDir}-${starts++}` }),
  );
  assert.equal(code, 1);
  assert.ok(failed.some((line) => line.startsWith("the first answer after the restart:")), text);
  assert.ok(!failed.some((line) => line.startsWith("the first answer after the cut:")), text);
});

Deno.test("runDemo() ends at once and cleans up when it is interrupted", async () => {
  const interrupt = new AbortController();
  const { code, text } = await run(startPassThrough, {
    signal: interrupt.signal,
    // Much longer than this test may take: only the interruption can end the wait.
    answerLimitMs: 3_600_000,
  }, (printed) => {
    if (printed.includes("… the first answer after the cut")) interrupt.abort("SIGINT");
  });
  assert.equal(code, 1);
  assert.match(text, /Interrupted; everything is cleaned up\.\n$/);
});
