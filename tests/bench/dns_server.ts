/**
 * The name server beside a real CoreDNS on the same objects, asked by dnsperf: questions a second of one core, the
 * 99th percentile at 10,000 a second, and memory. Servers have the first core for themselves, dnsperf the second.
 * Prints Markdown. Needs dnsperf, taskset, and what builds CoreDNS (Go); `deno task compile` before.
 *
 * Run: deno run -A tests/bench/dns_server.ts [--services N] [--endpoints N] [--seconds N]
 *
 * @module
 */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { FakeApiServer } from "../../src/demo/fake_api_server.ts";
import { createCa, issueServingCert } from "../../src/kube/pki.ts";
import { buildCluster } from "../cluster/build.ts";
import { until } from "../cluster/poll.ts";
import { firstAnswer, freePort } from "../cluster/scenarios/dns_agent.ts";
import { describeMachine, memoryOf } from "./process_figures.ts";
import { findPrograms } from "./programs.ts";
import { type Figures, formatOutcomes, runRounds, type Variant } from "./rounds.ts";

const TOKEN = "bench";
const HTTP = [{ name: "http", protocol: "TCP", port: 80 }];
/** Services in each namespace. */
const PER_NAMESPACE = 100;
/** Where servers run, and where dnsperf does. */
const [SERVER_CORE, CLIENT_CORE] = ["0", "1"];
const STEADY_QPS = 10_000;

interface Size {
  services: number;
  endpoints: number;
  seconds: number;
}

const place = (i: number) => ({
  namespace: `ns-${Math.floor(i / PER_NAMESPACE)}`,
  name: `service-${i}`,
});
const addressOf = (i: number) => `10.${100 + (i >> 16)}.${i >> 8 & 255}.${i & 255}`;

/** A cloud with so many Services, every tenth of them headless. */
async function startCloud(
  { services, endpoints }: Size,
): Promise<{ cloud: FakeApiServer; caCert: string }> {
  const ca = await createCa("bench");
  const tls = await issueServingCert(ca, ["127.0.0.1"]);
  const cloud = await FakeApiServer.start({ tls, tokens: { [TOKEN]: "admin" } });
  const each = Math.floor(endpoints / services);
  for (let i = 0; i < services; i++) {
    const { namespace, name } = place(i);
    if (i % PER_NAMESPACE === 0) cloud.create("namespaces", { metadata: { name: namespace } });
    const clusterIP = i % 10 === 0 ? "None" : addressOf(1_000_000 + i);
    cloud.create("services", {
      metadata: { namespace, name },
      spec: { clusterIP, clusterIPs: [clusterIP], ports: HTTP },
    } as never);
    cloud.create("endpointslices.discovery.k8s.io", {
      metadata: {
        namespace,
        name: `${name}-a`,
        labels: { "kubernetes.io/service-name": name },
      },
      addressType: "IPv4",
      ports: HTTP,
      endpoints: Array.from({ length: each }, (_, n) => ({
        addresses: [addressOf(i * each + n)],
        conditions: { ready: true },
      })),
    } as never);
  }
  return { cloud, caCert: ca.cert };
}

interface Server extends AsyncDisposable {
  readonly pid: number;
  readonly port: number;
}

/** Starts a program on the servers' core and waits until it answers. */
async function startServer(argv: readonly string[], port: number, name: string): Promise<Server> {
  const child = new Deno.Command("taskset", {
    args: ["-c", SERVER_CORE, ...argv],
    stdin: "null",
    stdout: "null",
    stderr: "null",
    env: { NO_COLOR: "1" },
  }).spawn();
  const stop = async () => {
    child.kill("SIGKILL");
    await child.status;
  };
  try {
    const nameServer = { ipAddr: "127.0.0.1", port };
    await until(
      `${argv[0]} to answer`,
      () => Deno.resolveDns(`${name}.`, "A", { nameServer }).then(() => true, () => undefined),
      {
        timeoutMs: 120_000,
      },
    );
  } catch (error) {
    await stop();
    throw error;
  }
  return { pid: child.pid, port, [Symbol.asyncDispose]: stop };
}

/** Runs dnsperf; what it printed. */
async function dnsperf(port: number, args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("taskset", {
    args: ["-c", CLIENT_CORE, "dnsperf", "-s", "127.0.0.1", "-p", `${port}`, ...args],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

async function measure(
  start: () => Promise<Server>,
  file: string,
  { seconds }: Size,
): Promise<Figures> {
  await using server = await start();
  // Once over everything, as a node has asked for all that it needs before long.
  await dnsperf(server.port, ["-d", file, "-n", "1", "-c", "8"]);
  const full = await dnsperf(server.port, ["-d", file, "-l", `${seconds}`, "-c", "8", "-q", "200"]);
  const perSecond = Number(/Queries per second:\s+([\d.]+)/.exec(full)?.[1]);
  const lost = Number(/Queries lost:\s+(\d+)/.exec(full)?.[1]);
  const steady = await dnsperf(server.port, [
    ...["-d", file, "-l", `${seconds}`, "-c", "8", "-Q", `${STEADY_QPS}`, "-v"],
  ]);
  const latencies = [...steady.matchAll(/^> NOERROR .* ([\d.]+)$/gm)]
    .map(([, text]) => Number(text) * 1_000).sort((a, b) => a - b);
  const at = (share: number) => latencies[Math.floor(latencies.length * share)] ?? NaN;
  const { rss, peak } = await memoryOf(server.pid);
  return {
    "questions/s": perSecond,
    "lost": lost,
    "p50 at 10k/s, ms": at(0.5),
    "p99 at 10k/s, ms": at(0.99),
    "RSS, MB": rss,
    "peak RSS, MB": peak,
  };
}

/** Time from the start of the program to its first right answer, with all that it knows on disk and nobody to ask. */
async function timeToFirstAnswer(
  argv: readonly string[],
  port: number,
  name: string,
): Promise<Figures> {
  const child = startQuiet(argv);
  try {
    const started = performance.now();
    const { rcode, atMs } = await firstAnswer(port, name);
    if (rcode !== 0) throw new Error(`The first answer has rcode ${rcode}`);
    return { "first right answer, ms": atMs - started };
  } finally {
    child.kill("SIGKILL");
    await child.status;
  }
}

/** Lets a program keep what the cloud has, by ending it in order. */
async function keepZone(argv: readonly string[], port: number, name: string): Promise<void> {
  const child = startQuiet(argv);
  const nameServer = { ipAddr: "127.0.0.1", port };
  await until(
    "the program to know the cloud",
    () => Deno.resolveDns(`${name}.`, "A", { nameServer }).then(() => true, () => undefined),
    {
      timeoutMs: 60_000,
    },
  );
  child.kill("SIGTERM");
  await child.status;
}

function startQuiet(argv: readonly string[]): Deno.ChildProcess {
  return new Deno.Command(argv[0]!, {
    args: argv.slice(1),
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      services: { type: "string", default: "10000" },
      endpoints: { type: "string", default: "50000" },
      seconds: { type: "string", default: "8" },
      rounds: { type: "string", default: "1" },
    },
  });
  const size: Size = {
    services: Number(values.services),
    endpoints: Number(values.endpoints),
    seconds: Number(values.seconds),
  };
  const print = (text: string) => Deno.stdout.write(new TextEncoder().encode(text));
  const folder = await mkdtemp("/tmp/edge-agent-dns-bench-");
  const { cloud, caCert } = await startCloud(size);
  try {
    const context = { cluster: "cloud", user: "dns" };
    const kubeconfig = join(folder, "kubeconfig");
    const cluster = { server: cloud.url, "certificate-authority-data": btoa(caCert) };
    await writeFile(
      kubeconfig,
      JSON.stringify({
        apiVersion: "v1",
        kind: "Config",
        clusters: [{ name: "cloud", cluster }],
        users: [{ name: "dns", user: { token: TOKEN } }],
        contexts: [{ name: "cloud", context }],
        "current-context": "cloud",
      }),
    );
    const names = Array.from({ length: size.services }, (_, i) => i).filter((i) => i % 10 !== 0)
      .map((i) => `${place(i).name}.${place(i).namespace}.svc.cluster.local`);
    const file = join(folder, "questions");
    await writeFile(file, names.map((name) => `${name} A\n`).join(""));

    const corednsPort = freePort();
    const corefile = join(folder, "Corefile");
    await writeFile(
      corefile,
      `cluster.local:${corednsPort} {
  bind 127.0.0.1
  kubernetes cluster.local {
    kubeconfig ${kubeconfig}
  }
}
`,
    );
    const coredns = (await buildCluster()).bin("coredns");
    const cold: Variant[] = [];
    const variants: Variant[] = [{
      name: "CoreDNS 1.14.3",
      measure: () =>
        measure(
          () =>
            startServer(
              ["env", "GOMAXPROCS=1", coredns, "-conf", corefile],
              corednsPort,
              names[0]!,
            ),
          file,
          size,
        ),
    }];
    for (const { runtime, agent } of await findPrograms()) {
      const port = freePort();
      const config = join(folder, `config-${port}.yaml`);
      await writeFile(
        config,
        JSON.stringify({
          stateDir: join(folder, `state-${port}`),
          admin: { listen: "127.0.0.1:0" },
          dns: { listen: `127.0.0.1:${port}`, kubeconfig },
        }),
      );
      const offline = join(folder, `offline-${port}.yaml`);
      await writeFile(
        offline,
        JSON.stringify({
          stateDir: join(folder, `state-${port}`),
          admin: { listen: "127.0.0.1:0" },
          dns: { listen: `127.0.0.1:${port}`, kubeconfig: join(folder, "nothing") },
        }),
      );
      const [name] = names.slice(-1) as [string];
      cold.push({
        name: `edge-agent, ${runtime}`,
        measure: async () => {
          await keepZone([...agent, "dns", "--config", config], port, name);
          return await timeToFirstAnswer([...agent, "dns", "--config", offline], port, name);
        },
      });
      variants.push({
        name: `edge-agent, ${runtime}`,
        baseline: "CoreDNS 1.14.3",
        measure: () =>
          measure(
            () => startServer([...agent, "dns", "--config", config], port, names[0]!),
            file,
            size,
          ),
      });
    }
    await print(`${describeMachine()}; ${size.services} Services, ${size.endpoints} endpoints\n\n`);
    await print(formatOutcomes(await runRounds(cold, 3)) + "\n");
    await print(formatOutcomes(await runRounds(variants, Number(values.rounds))));
  } finally {
    await cloud[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  }
}

if (import.meta.main) await main();
