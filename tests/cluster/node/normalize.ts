/**
 * What a recording keeps: each kind of request once, and nothing that belongs to one machine or one run.
 *
 * @module
 */

import { readFile } from "node:fs/promises";
import { latin1Of, POD_UID, type RecordedRequest } from "../../testing/startup/recording.ts";
import type { Recorded } from "./recorder.ts";

/** What must not be kept, by what is kept instead; both are of one length, as protobuf counts bytes. */
export type Replacements = ReadonlyMap<string, string>;

/** The replacements for this machine and a pod, if there is one. */
export async function readReplacements(podUid?: string): Promise<Replacements> {
  const files = [
    "/etc/machine-id",
    "/proc/sys/kernel/random/boot_id",
    "/sys/class/dmi/id/product_uuid",
  ];
  const ids = await Promise.all(files.map((file) => readFile(file, "utf8").catch(() => "")));
  return new Map([
    ...(podUid === undefined ? [] : [[podUid, POD_UID] as const]),
    ...ids.map((id) => id.trim()).filter(Boolean).map((id) =>
      [id, id.replaceAll(/[0-9a-f]/gi, "0")] as const
    ),
  ]);
}

/** The requests to keep, in their order. */
export function normalize(
  records: readonly Recorded[],
  replacements: Replacements,
): RecordedRequest[] {
  const patched = records.find(isEventPatch)?.path.split("/").at(-1);
  const seen = new Set<string>();
  const kept: RecordedRequest[] = [];
  for (const record of records) {
    const { method, status, accept, contentType, answerType } = record;
    const path = pathOf(record.path);
    const body = record.body && replaceAll(latin1Of(record.body), replacements);
    // The event that is patched later is kept too, so that the PATCH has something to change.
    const isPatchedEvent = method === "POST" && patched !== undefined && body?.includes(patched);
    const key = [method, isEventPatch(record) ? "an event" : path, status, isPatchedEvent].join(
      " ",
    );
    if (seen.has(key)) continue;
    seen.add(key);
    const isProtobuf = contentType?.includes("protobuf");
    kept.push({
      ...{ method, path, accept, contentType },
      ...(body !== undefined && (isProtobuf ? { base64: btoa(body) } : { text: body })),
      ...{ status, answerType },
    });
  }
  return kept;
}

function isEventPatch({ method, path }: Recorded): boolean {
  return method === "PATCH" && path.includes("/events/");
}

/** Without the times that client-go makes up. */
function pathOf(path: string): string {
  return path.replace(/\btimeout=\d+m\d+s/, "timeout=5m0s").replace(
    /\btimeoutSeconds=\d+/,
    "timeoutSeconds=300",
  );
}

function replaceAll(text: string, replacements: Replacements): string {
  let replaced = text;
  for (const [from, to] of replacements) replaced = replaced.replaceAll(from, to);
  return replaced;
}
