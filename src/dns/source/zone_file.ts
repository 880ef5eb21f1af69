import { createHash } from "node:crypto";
import * as z from "zod/mini";
import { AgentError } from "../../kernel/errors.ts";
import type { FactsKind, FactsOf } from "../zone/cluster_state.ts";

/** The schema that this agent writes, and the only one that it reads: another one is fetched anew. */
export const SCHEMA = 1;

/** Everything that a zone is made of, by kind and key. Namespaces are missing while they are not known. */
export type ZoneObjects = { [K in Exclude<FactsKind, "pod">]?: ReadonlyMap<string, FactsOf[K]> };

/** A file that is of no use: it says why. */
export class ZoneFileError extends AgentError {
  readonly code = "zone-file";
}

const Port = z.object({ name: z.string(), protocol: z.string(), port: z.number() });
const Texts = z.array(z.string());

const Content = z.object({
  service: z.array(z.tuple([
    z.string(),
    z.object({
      namespace: z.string(),
      name: z.string(),
      kind: z.enum(["cluster", "headless", "external"]),
      clusterIps: Texts,
      ports: z.array(Port),
      externalName: z.string(),
    }),
  ])),
  endpointSlice: z.array(z.tuple([
    z.string(),
    z.object({
      namespace: z.string(),
      name: z.string(),
      service: z.string(),
      ports: z.array(Port),
      endpoints: z.array(z.object({
        address: z.string(),
        hostname: z.string(),
        pod: z.string(),
      })),
      notReady: z.number(),
    }),
  ])),
  namespace: z.optional(z.array(z.tuple([z.string(), z.object({ name: z.string() })]))),
});

/**
 * The text of a file for a zone's objects: a line that says what it is, then the objects as one line, which the
 * first line's checksum is of.
 */
export function formatZoneFile(objects: ZoneObjects): string {
  const { service = [], endpointSlice = [], namespace } = objects;
  const content = JSON.stringify({
    service: [...service],
    endpointSlice: [...endpointSlice],
    ...(namespace && { namespace: [...namespace] }),
  });
  return `${JSON.stringify({ schema: SCHEMA, sha256: checksum(content) })}\n${content}\n`;
}

/**
 * Reads the text of a zone file. What is in it was checked when it was written: the checksum stands for that.
 *
 * @throws {ZoneFileError} for what is damaged, cut off, or of another schema
 */
export function parseZoneFile(text: string): ZoneObjects {
  const end = text.indexOf("\n");
  const head = parseJson(text.slice(0, Math.max(0, end))) as { schema?: unknown; sha256?: unknown };
  const content = text.slice(end + 1).trimEnd();
  if (typeof head !== "object" || head === null) throw new ZoneFileError("it is no zone file");
  if (head.schema !== SCHEMA) throw new ZoneFileError(`it has schema ${String(head.schema)}`);
  if (head.sha256 !== checksum(content)) throw new ZoneFileError("it is damaged, or cut off");
  const { data } = Content.safeParse(parseJson(content));
  if (data === undefined) throw new ZoneFileError("it is no zone file");
  const { service, endpointSlice, namespace } = data;
  return {
    service: new Map(service),
    endpointSlice: new Map(endpointSlice),
    ...(namespace && { namespace: new Map(namespace) }),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ZoneFileError(text === "" ? "it is empty, or cut off" : "it is no JSON");
  }
}

function checksum(content: string): string {
  return createHash("sha256").update(content).digest("hex");
}
