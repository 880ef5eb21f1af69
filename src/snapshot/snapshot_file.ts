import { createHash } from "node:crypto";
import * as z from "zod/mini";
import { AgentError } from "../kernel/errors.ts";
import type { Network } from "./model.ts";
import { NetworkContent } from "./network_schema.ts";

/** The schema that this agent writes, and the newest that it reads. */
export const SCHEMA = 1;

/** Whose network it is. */
export interface NodeIdentity {
  /** `metadata.name` of the Node. */
  name: string;
  /** `/etc/machine-id`; empty where there is none. */
  machineId: string;
}

/** A network at a time. */
export interface Snapshot {
  node: NodeIdentity;
  /** Of the boot it was taken in. */
  bootId: string;
  /** RFC 3339. For people: clocks of such machines are often wrong. */
  takenAt: string;
  /** Counts up with each snapshot of a node. */
  generation: number;
  network: Network;
}

/** A file that is no usable snapshot: it says why. */
export class SnapshotError extends AgentError {
  readonly code = "snapshot";
}

const Envelope = z.object({
  schema: z.number(),
  node: z.object({ name: z.string(), machineId: z.string() }),
  bootId: z.string(),
  takenAt: z.string(),
  generation: z.int(),
  sha256: z.string(),
  content: z.unknown(),
});

/** The text of a file for a snapshot. */
export function formatSnapshot({ node, bootId, takenAt, generation, network }: Snapshot): string {
  const sha256 = checksum(network);
  const envelope = { schema: SCHEMA, node, bootId, takenAt, generation, sha256, content: network };
  return JSON.stringify(envelope) + "\n";
}

/**
 * Reads the text of a snapshot file.
 *
 * @throws {SnapshotError} for what is broken, cut off, of a newer agent, or changed by hand
 */
export function parseSnapshot(text: string): Snapshot {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    throw new SnapshotError(text.trim() === "" ? "it is empty" : "it is no JSON, or cut off");
  }
  const { data: envelope } = Envelope.safeParse(data);
  if (envelope === undefined) throw new SnapshotError("it is no snapshot");
  const { schema, node, bootId, takenAt, generation, sha256, content } = envelope;
  if (schema !== SCHEMA) {
    throw new SnapshotError(
      `it has schema ${schema}, and this agent reads ${SCHEMA}: install the agent that wrote it, or a later one`,
    );
  }
  if (checksum(content) !== sha256) {
    throw new SnapshotError("its checksum is wrong: it was damaged, or changed by hand");
  }
  return { node, bootId, takenAt, generation, network: parseNetwork(content) };
}

/** Makes sure that a network can be read again. @throws {SnapshotError} naming what is not as it must be */
export function parseNetwork(content: unknown): Network {
  const network = NetworkContent.safeParse(content);
  if (network.success) return network.data;
  const [issue] = network.error.issues;
  throw new SnapshotError(`its ${issue!.path.join(".")} ${issue!.message}`);
}

/** @throws {SnapshotError} when a snapshot is of another node than this one */
export function checkOwner({ node }: Snapshot, own: NodeIdentity): void {
  if (node.name !== own.name) {
    throw new SnapshotError(`it is of the node "${node.name}", and this is "${own.name}"`);
  }
  if (node.machineId !== "" && own.machineId !== "" && node.machineId !== own.machineId) {
    throw new SnapshotError(
      `it is of the machine ${node.machineId}, and this is ${own.machineId} (/etc/machine-id): was a disk copied?`,
    );
  }
}

function checksum(content: unknown): string {
  return createHash("sha256").update(JSON.stringify(content) ?? "").digest("hex");
}
