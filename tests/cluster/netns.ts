/**
 * The cloud's network namespace: one veth pair that is the link between the agent and the cloud, and
 * a second one, the back door, by which a test reaches the cloud whatever the link does.
 *
 * @module
 */

import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run, saysGone } from "./command.ts";
import { Cgroup, removeCgroup } from "./node/cgroup.ts";
import { claim, listAbandoned, type Ownership, release } from "./ownership.ts";
import { until } from "./poll.ts";

const PREFIX = "ea-cloud-";

/** One veth pair. */
export interface Cable {
  /** Device in the root namespace. */
  readonly rootDevice: string;
  readonly rootAddress: string;
  /** Device in the cloud's namespace. */
  readonly cloudDevice: string;
  readonly cloudAddress: string;
}

/** A network namespace with its cables. */
export interface CloudNetwork {
  readonly namespace: string;
  /** Temporary folder, removed with the namespace. */
  readonly folder: string;
  readonly link: Cable;
  readonly backdoor: Cable;
  /** Ends what runs inside and removes everything. */
  remove(): Promise<void>;
}

/** Creates a namespace with addresses of its own. */
export async function createNetwork(): Promise<CloudNetwork> {
  const id = randomBytes(3).toString("hex");
  const owned = await claimSubnet(id);
  const prefix = `10.203.${owned.subnet}`;
  const link = cable(owned.devices[0]!, "edge", prefix, 1);
  const backdoor = cable(owned.devices[1]!, "backdoor", prefix, 5);
  try {
    await run(["ip", "netns", "add", owned.namespace]);
    await run(["ip", "-n", owned.namespace, "link", "set", "dev", "lo", "up"]);
    for (const each of [link, backdoor]) await plug(owned.namespace, each);
  } catch (error) {
    await removeOwned(owned);
    throw error;
  }
  const { namespace, folder } = owned;
  return { namespace, folder, link, backdoor, remove: () => removeOwned(owned) };
}

/** Removes what runs of ours left behind when they were killed; returns the namespaces' names. */
export async function cleanupStale(): Promise<string[]> {
  const abandoned = await listAbandoned();
  for (const owned of abandoned) await removeOwned(owned);
  return abandoned.map((owned) => owned.namespace);
}

async function claimSubnet(id: string): Promise<Omit<Ownership, "owner">> {
  const devices = [`ea${id}l`, `ea${id}b`];
  const { stdout: routes } = await run(["ip", "-4", "route", "show", "table", "all"]);
  const folder = await mkdtemp(join(tmpdir(), "edge-agent-cluster-"));
  const first = randomBytes(1)[0]!;
  for (let i = 0; i < 256; i++) {
    const subnet = (first + i) % 256;
    if (routes.includes(` 10.203.${subnet}.`) || routes.includes(`\n10.203.${subnet}.`)) continue;
    const claimed = { subnet, namespace: PREFIX + id, devices, folder };
    if (await claim(claimed)) return claimed;
  }
  await rm(folder, { recursive: true });
  throw new Error("Cannot find unused addresses for a cluster: all 256 of 10.203.0.0/16 are taken");
}

function cable(rootDevice: string, cloudDevice: string, prefix: string, first: number): Cable {
  const rootAddress = `${prefix}.${first}`;
  return { rootDevice, rootAddress, cloudDevice, cloudAddress: `${prefix}.${first + 1}` };
}

async function plug(namespace: string, cable: Cable): Promise<void> {
  const { rootDevice, cloudDevice } = cable;
  const peer = ["peer", "name", cloudDevice, "netns", namespace];
  await run(["ip", "link", "add", "dev", rootDevice, "type", "veth", ...peer]);
  const ends = [
    { ip: ["ip"], device: rootDevice, address: cable.rootAddress },
    { ip: ["ip", "-n", namespace], device: cloudDevice, address: cable.cloudAddress },
  ];
  for (const { ip, device, address } of ends) {
    // Packets of 64 KiB, as veth likes them, would make the counted bytes and a throttled link
    // unlike any wire; and IPv6 chatter would be counted too.
    await run([...ip, "link", "set", "dev", device, "addrgenmode", "none", "gso_max_segs", "1"]);
    await run([...ip, "address", "add", `${address}/30`, "dev", device]);
    await run([...ip, "link", "set", "dev", device, "up"]);
  }
}

async function removeOwned(owned: Omit<Ownership, "owner">): Promise<void> {
  const { namespace, devices, folder, subnet } = owned;
  // The record may come from a file: never touch what cannot be ours.
  if (!namespace.startsWith(PREFIX)) throw new Error(`Cannot remove ${namespace}: not ours`);
  const errors: unknown[] = [];
  const steps = [
    () => endProcesses(namespace),
    ...devices.map((device) => () => runIfThere(["ip", "link", "del", "dev", device])),
    () => runIfThere(["ip", "netns", "del", namespace]),
    // Of a node that was killed with its test: its processes ended by themselves.
    () => removeCgroup(Cgroup.pathOf(namespace)),
    () => rm(folder, { recursive: true, force: true }),
    () => release(subnet),
  ];
  for (const step of steps) await step().catch((error) => errors.push(error));
  if (errors.length > 0) throw new AggregateError(errors, `Cannot remove all of ${namespace}`);
}

async function endProcesses(namespace: string): Promise<void> {
  await until(`the processes in ${namespace} to end`, async () => {
    const pids = await runIfThere(["ip", "netns", "pids", namespace]);
    for (const pid of pids.split("\n").filter(Boolean)) {
      try {
        Deno.kill(Number(pid), "SIGKILL");
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    return pids === "";
  });
}

/** Runs a command on something that may be gone already; returns its stdout. */
async function runIfThere(argv: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(argv, { allowFailure: true });
  if (code !== 0 && !saysGone(stderr)) {
    throw new Error(`Command failed: ${argv.join(" ")}: ${stderr.trim()}`);
  }
  return stdout.trim();
}
