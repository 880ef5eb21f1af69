/**
 * One fresh process of the agent, or of a bare program, from start to end.
 *
 * @module
 */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Encoding } from "../../src/kube/codec/encoding.ts";
import { until } from "../cluster/poll.ts";
import { memoryOf } from "./process_figures.ts";
import type { Figures } from "./rounds.ts";

/** The token by which the agent is known to the fake cloud. */
export const CLOUD_TOKEN = "bench";

/** Pause before memory is read, so that garbage of the start has been collected, ms. */
const SETTLE_MS = 2_000;

/** Time from the start of a process to its end, ms. */
export async function timeToEnd(argv: readonly string[]): Promise<Figures> {
  const started = performance.now();
  const { code, stderr } = await command(argv, { stdout: "null", stderr: "piped" }).output();
  const ms = performance.now() - started;
  if (code !== 0) throw new Error(`${argv.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
  return { "ms": ms };
}

/** What a process costs that has printed its first line and then waits. */
export async function costOfWaiting(argv: readonly string[]): Promise<Figures> {
  const started = performance.now();
  const child = command(argv, { stdout: "piped", stderr: "inherit" }).spawn();
  try {
    const reader = child.stdout.getReader();
    await reader.read();
    const readyMs = performance.now() - started;
    reader.releaseLock();
    return await settled(child.pid, readyMs);
  } finally {
    await end(child);
    await child.stdout.cancel();
  }
}

/** What of the cloud the proxy is to have in its cache. */
export interface Cached {
  pods: number;
  encoding: Encoding;
}

/** What the proxy costs. */
export async function costOfProxy(
  argv: readonly string[],
  cloudUrl: string,
  cached?: Cached,
): Promise<Figures> {
  await using agent = await startAgent(argv, { server: cloudUrl });
  if (cached !== undefined) await cachePods(agent.url, cached);
  return await settled(agent.pid, agent.readyMs);
}

/** An agent that is ready. Disposing ends it and removes its state. */
export interface RunningAgent extends AsyncDisposable {
  readonly pid: number;
  /** Of the plain listener. */
  readonly url: string;
  readonly readyMs: number;
}

/** Starts the proxy with the one identity `bench`; `upstream` is that section of its config. */
export async function startAgent(
  argv: readonly string[],
  upstream: Record<string, unknown>,
): Promise<RunningAgent> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "edge-agent-bench-"));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const [listen, admin, plain] = freePorts(3) as [number, number, number];
  await writeFile(join(folder, "token"), CLOUD_TOKEN, { mode: 0o600 });
  const config = {
    stateDir: join(folder, "state"),
    log: { level: "warn", format: "json" },
    admin: { listen: `127.0.0.1:${admin}` },
    proxy: {
      listen: `127.0.0.1:${listen}`,
      upstream,
      identities: [{ name: "bench", tokenFile: join(folder, "token") }],
      plain: { listen: `127.0.0.1:${plain}`, identity: "bench" },
      prefetch: "off",
    },
  };
  await writeFile(join(folder, "config.yaml"), JSON.stringify(config));
  const started = performance.now();
  const child = command([...argv, "proxy", "--config", join(folder, "config.yaml")], {
    stdout: "null",
    stderr: "inherit",
  }).spawn();
  stack.defer(() => end(child));
  await until("the proxy to be ready", async (signal) => {
    const response = await fetch(`http://127.0.0.1:${admin}/readyz`, { signal });
    await response.body?.cancel();
    return response.ok;
  }, { intervalMs: 5, timeoutMs: 30_000 });
  const readyMs = performance.now() - started;
  const held = stack.move();
  return {
    pid: child.pid,
    url: `http://127.0.0.1:${plain}`,
    readyMs,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** Lists until the answer comes from the cache and is whole. */
async function cachePods(url: string, { pods, encoding }: Cached): Promise<void> {
  await until(`${pods} pods in the cache`, async (signal) => {
    const headers = { accept: encoding.contentType };
    const response = await fetch(`${url}/api/v1/pods?resourceVersion=0`, { headers, signal });
    const body = await response.bytes();
    return response.ok && encoding.createListSplitter().push(body).length === pods;
  }, { timeoutMs: 60_000 });
}

async function settled(pid: number, readyMs: number): Promise<Figures> {
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const { rss, peak } = await memoryOf(pid);
  return {
    "ms to ready": readyMs,
    "RSS, MB": rss,
    "peak RSS, MB": peak,
  };
}

function command(
  argv: readonly string[],
  { stdout, stderr }: { stdout: "null" | "piped"; stderr: "inherit" | "piped" },
): Deno.Command {
  const [program, ...args] = argv;
  return new Deno.Command(program!, { args, stdin: "null", stdout, stderr, cwd: tmpdir() });
}

async function end(child: Deno.ChildProcess): Promise<void> {
  try {
    child.kill("SIGTERM");
  } catch {
    // It ended before.
  }
  await child.status;
}

/** Ports that were free a moment ago; all are held at once, so that they differ. */
function freePorts(count: number): number[] {
  const listeners = Array.from(
    { length: count },
    () => Deno.listen({ hostname: "127.0.0.1", port: 0 }),
  );
  const ports = listeners.map((listener) => (listener.addr as Deno.NetAddr).port);
  for (const listener of listeners) listener.close();
  return ports;
}
