/**
 * Measures the agent: time to start and memory, against a bare program on the same runtime; bytes on the
 * link, disk writes and delays, against clients that ask the cloud themselves. Prints Markdown, ready for
 * the README.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { FakeApiServer } from "../../src/demo/fake_api_server.ts";
import { ENCODINGS } from "../../src/kube/codec/encodings.ts";
import { CLOUD_TOKEN, costOfProxy, costOfWaiting, timeToEnd } from "./agent_process.ts";
import { startProtobufCloud } from "./protobuf_cloud.ts";
import { costOfFanOut, costOfQuiet } from "./site_figures.ts";
import { describeMachine } from "./process_figures.ts";
import { findPrograms, type Program } from "./programs.ts";
import { type Figures, formatOutcomes, runRounds, type Variant } from "./rounds.ts";

const HELP = `Measures what the compiled agent costs: start-up, memory, link, disk, fan-out.

Usage: deno task bench [--rounds N] [--pods N]

  --rounds N   fresh processes per variant (default 5)
  --pods N     pods in the cache of the loaded proxy (default 5000)
`;

function startVariants({ agent, bare }: Program): Variant[] {
  return [
    { name: "bare program", measure: () => timeToEnd(bare) },
    {
      name: "`version`",
      baseline: "bare program",
      measure: () => timeToEnd([...agent, "version"]),
    },
  ];
}

function memoryVariants(
  { agent, bare }: Program,
  empty: FakeApiServer,
  full: FakeApiServer,
  protobuf: FakeApiServer,
  pods: number,
): Variant[] {
  const baseline = "bare program, idle";
  return [
    { name: baseline, measure: () => costOfWaiting([...bare, "stay"]) },
    { name: "`proxy`, idle", baseline, measure: () => costOfProxy(agent, empty.url) },
    {
      name: `\`proxy\`, ${pods} pods cached`,
      baseline,
      measure: () => costOfProxy(agent, full.url, { pods, encoding: ENCODINGS.json }),
    },
    {
      name: `\`proxy\`, ${pods} pods cached, protobuf`,
      baseline,
      measure: () => costOfProxy(agent, protobuf.url, { pods, encoding: ENCODINGS.protobuf }),
    },
  ];
}

/** The clients of a node, straight at the cloud or through the agent. */
function siteVariants(
  { agent }: Program,
  measure: (argv: readonly string[] | undefined) => Promise<Figures>,
): Variant[] {
  const baseline = "straight at the cloud";
  return [
    { name: baseline, measure: () => measure(undefined) },
    { name: "through the agent", baseline, measure: () => measure(agent) },
  ];
}

/** A cloud with pods of about 3 KB each, as those of a Deployment are. */
async function startCloud(pods: number): Promise<FakeApiServer> {
  const cloud = await FakeApiServer.start({ tokens: { [CLOUD_TOKEN]: "bench" } });
  for (let i = 0; i < pods; i++) cloud.create("pods", pod(i));
  return cloud;
}

function pod(i: number) {
  const app = `app-${i % 200}`;
  const managedFields = Array.from({ length: 3 }, (_, n) => ({
    manager: ["kube-controller-manager", "kubelet", "kube-scheduler"][n],
    operation: "Update",
    apiVersion: "v1",
    time: "2026-01-01T00:00:00Z",
    fieldsType: "FieldsV1",
    fieldsV1: { "f:spec": { "f:containers": { [`k:{"name":"${app}"}`]: { ".": {} } } } },
  }));
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: `${app}-${i}`,
      namespace: `ns-${i % 20}`,
      labels: { app, "pod-template-hash": "5d8f7c9b6" },
      managedFields,
    },
    spec: {
      nodeName: `node-${i % 100}`,
      containers: [{
        name: app,
        image: `example.com/team/${app}:1.2.${i % 10}`,
        env: Array.from({ length: 8 }, (_, n) => ({ name: `SETTING_${n}`, value: "x".repeat(60) })),
        resources: { requests: { cpu: "100m", memory: "64Mi" }, limits: { memory: "128Mi" } },
      }],
    },
    status: {
      phase: "Running",
      podIP: `10.244.${i >> 8 & 255}.${i & 255}`,
      conditions: ["Initialized", "Ready", "ContainersReady", "PodScheduled"].map((type) => ({
        type,
        status: "True",
        lastTransitionTime: "2026-01-01T00:00:00Z",
      })),
    },
  };
}

async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: "string", default: "5" },
      pods: { type: "string", default: "5000" },
      help: { type: "boolean" },
    },
  });
  if (values.help) return print(HELP);
  const [rounds, pods] = [Number(values.rounds), Number(values.pods)];
  const progress = (text: string) =>
    void Deno.stderr.writeSync(new TextEncoder().encode(`bench: ${text}\n`));
  progress("preparing");
  const programs = await findPrograms();
  await using empty = await startCloud(0);
  await using full = await startCloud(pods);
  await using protobuf = await startProtobufCloud(pods);
  const date = new Date().toISOString().slice(0, 10);
  print(
    `Measured ${date} on ${describeMachine()}; medians of ${rounds} fresh processes, in turn.\n`,
  );
  for (const program of programs) {
    progress(program.runtime);
    print(`\n${program.runtime}:\n\n`);
    print(formatOutcomes(await runRounds(startVariants(program), rounds, progress)) + "\n");
    const variants = memoryVariants(program, empty, full, protobuf, pods);
    print(formatOutcomes(await runRounds(variants, rounds, progress)) + "\n");
  }
  const release = programs.at(-1)!;
  print("\n");
  print(
    formatOutcomes(await runRounds(siteVariants(release, costOfFanOut), rounds, progress)) + "\n",
  );
  // Once: it takes more than a minute each, and differs little.
  print(formatOutcomes(await runRounds(siteVariants(release, costOfQuiet), 1, progress)));
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}

if (import.meta.main) await main(Deno.args);
