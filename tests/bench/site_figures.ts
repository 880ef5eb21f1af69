/**
 * What a node's clients cost the link and the machine, with the agent in between or straight at the cloud.
 *
 * @module
 */

import { rm, writeFile } from "node:fs/promises";
import { FakeApiServer } from "../../src/demo/fake_api_server.ts";
import { FaultLink } from "../../src/demo/fault_link.ts";
import { createCa, issueServingCert } from "../../src/kube/pki.ts";
import { until } from "../cluster/poll.ts";
import { CLOUD_TOKEN, type RunningAgent, startAgent } from "./agent_process.ts";
import { median, useOf } from "./process_figures.ts";
import type { Figures } from "./rounds.ts";

/** The watches of a kubelet with 20 pods, and of kube-proxy, flanneld and CoreDNS. */
const NODE_WATCHES: readonly string[] = [
  "/api/v1/pods?fieldSelector=spec.nodeName%3Dedge-1",
  "/api/v1/nodes?fieldSelector=metadata.name%3Dedge-1",
  ...["services", "nodes", "namespaces"].map((name) => `/api/v1/${name}`),
  ...[1, 2].map(() => "/api/v1/services"),
  ...[1, 2].map(() => "/apis/discovery.k8s.io/v1/endpointslices"),
  ...["secrets", "configmaps"].flatMap((name) =>
    Array.from(
      { length: 10 },
      (_, i) => `/api/v1/namespaces/default/${name}?fieldSelector=metadata.name%3D${name}-${i}`,
    )
  ),
];

/** Time for the start to be over, ms. */
const SETTLE_MS = 10_000;
const QUIET_MS = 60_000;
const [FAN, UPDATES, UPDATE_EVERY_MS] = [100, 200, 20];

interface Site extends AsyncDisposable {
  cloud: FakeApiServer;
  link: FaultLink;
  /** Where the clients ask. */
  url: string;
  client: Deno.HttpClient;
  agent?: RunningAgent;
}

async function startSite(argv: readonly string[] | undefined): Promise<Site> {
  await using stack = new AsyncDisposableStack();
  const ca = await createCa("bench");
  const caFile = await makeTempFile(ca.cert);
  stack.defer(() => rm(caFile));
  const tls = await issueServingCert(ca, ["127.0.0.1"]);
  const tokens = { [CLOUD_TOKEN]: "bench" };
  const cloud = stack.use(await FakeApiServer.start({ tls, tokens }));
  const target = { hostname: "127.0.0.1", port: cloud.port };
  const link = stack.use(await FaultLink.start({ target }));
  const server = `https://127.0.0.1:${link.port}`;
  const agent = argv && stack.use(await startAgent(argv, { server, caFile }));
  const client = Deno.createHttpClient({ caCerts: [ca.cert] });
  stack.defer(() => client.close());
  const held = stack.move();
  return {
    ...{ cloud, link, agent, client, url: agent?.url ?? server },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** A minute in which nothing happens, with all watches of a node. @param argv the agent; undefined: without */
export async function costOfQuiet(argv: readonly string[] | undefined): Promise<Figures> {
  await using site = await startSite(argv);
  const { link, agent } = site;
  const stop = new AbortController();
  for (const path of NODE_WATCHES) await watch(site, path, stop.signal, () => {});
  await sleep(SETTLE_MS);
  const use = () => agent === undefined ? undefined : useOf(agent.pid);
  const [before, bytes] = [await use(), link.bytesUp + link.bytesDown];
  await sleep(QUIET_MS);
  const after = await use();
  stop.abort();
  const spent = (key: "cpuMs" | "wakeups" | "writtenBytes") =>
    after === undefined ? 0 : after[key] - before![key];
  return {
    "link, KB/min": (link.bytesUp + link.bytesDown - bytes) / 1e3,
    "disk, KB/min": spent("writtenBytes") / 1e3,
    "CPU, ms/min": spent("cpuMs"),
    "wake-ups/s": spent("wakeups") / (QUIET_MS / 1_000),
  };
}

/** Changes of one pod that a hundred clients watch. @param argv the agent; undefined: without */
export async function costOfFanOut(argv: readonly string[] | undefined): Promise<Figures> {
  await using site = await startSite(argv);
  const { cloud, link, agent } = site;
  const key = { namespace: "default", name: "web" };
  const update = (n: number) =>
    cloud.update("pods", key, ({ metadata, ...rest }) => ({
      ...rest,
      metadata: { ...metadata, labels: { n: String(n), at: String(performance.now()) } },
    }));
  cloud.create("pods", { metadata: key, spec: { containers: [{ name: "x".repeat(2_000) }] } });
  const delays: number[] = [];
  const stop = new AbortController();
  for (let i = 0; i < FAN; i++) {
    await watch(site, "/api/v1/pods", stop.signal, (text) => {
      for (const [, at] of text.matchAll(/"at":"([\d.]+)"/g)) {
        delays.push(performance.now() - Number(at));
      }
    });
  }
  await sleep(1_000);
  const cpu = async () => agent === undefined ? 0 : (await useOf(agent.pid)).cpuMs;
  const [cpuBefore, bytes] = [await cpu(), link.bytesUp + link.bytesDown];
  for (let n = 0; n < UPDATES; n++) {
    update(n);
    await sleep(UPDATE_EVERY_MS);
  }
  await until("all events", () => Promise.resolve(delays.length >= FAN * UPDATES), {
    timeoutMs: 30_000,
  });
  const [cpuMs, all] = [await cpu() - cpuBefore, delays.toSorted((a, b) => a - b)];
  stop.abort();
  return {
    "p50, ms": median(all),
    "p99, ms": all[Math.floor(all.length * 0.99)]!,
    "link, KB per event": (link.bytesUp + link.bytesDown - bytes) / 1e3 / UPDATES,
    "agent's CPU, ms per event": cpuMs / UPDATES,
  };
}

/** Opens a watch and reads it, a line at a time at least, until the signal. */
async function watch(
  { url, client }: Site,
  path: string,
  signal: AbortSignal,
  read: (text: string) => void,
): Promise<void> {
  const query = "watch=1&allowWatchBookmarks=true&timeoutSeconds=600";
  const headers = { authorization: `Bearer ${CLOUD_TOKEN}` };
  const response = await fetch(`${url}${path}${path.includes("?") ? "&" : "?"}${query}`, {
    client,
    headers,
    signal,
  });
  if (!response.ok) throw new Error(`Cannot watch ${path}: it answers ${response.status}`);
  let rest = "";
  const lines = async () => {
    for await (const text of response.body!.pipeThrough(new TextDecoderStream())) {
      const whole = (rest + text).lastIndexOf("\n") + 1;
      const all = rest + text;
      rest = all.slice(whole);
      if (whole > 0) read(all.slice(0, whole));
    }
  };
  lines().catch(() => {});
}

async function makeTempFile(text: string): Promise<string> {
  const path = await Deno.makeTempFile({ prefix: "edge-agent-bench-" });
  await writeFile(path, text);
  return path;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
