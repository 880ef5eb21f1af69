import { createHash } from "node:crypto";
import { formatJson, parseJson } from "../../kube/codec/json.ts";
import {
  JSON_TYPE,
  mediaTypeOf,
  MERGE_PATCH_TYPE,
  STRATEGIC_MERGE_PATCH_TYPE,
} from "../../kube/content_type.ts";
import { type EventObject, readEvent } from "../../kube/event_object.ts";
import { applyMergePatch } from "../../kube/merge_patch.ts";
import { objectKey } from "../../kube/object_meta.ts";
import { collectionPath, type ResourceRequest } from "../../kube/request_info.ts";
import type { JournalEntry } from "./journal_entry.ts";

/** An Event's write, as it came. */
export interface EventRequest {
  info: ResourceRequest;
  caller: string;
  query: string;
  contentType: string | null;
  userAgent: string;
  body: Uint8Array;
}

/** An Event's write that can be journaled. */
export interface EventWrite {
  entry: JournalEntry;
  /** Path of the Event itself. */
  path: string;
  /** Whether sending it twice does what sending it once does, so that a cut in flight does no harm. */
  repeatable: boolean;
  /** The Event as it is after the write. @param known as it was before, if it is known */
  result(known: EventObject | undefined): EventObject;
}

/** An Event is some 1 KB; its text is limited to 1 KB by the API. */
const MAX_BODY_BYTES = 64 * 1024;
/** Deeper nesting than any Event has, which recursion over it must not meet. */
const MAX_OBJECTS = 1_000;
const OPEN_BRACE = 0x7b;

/** As `k8s.io/apiserver/pkg/storage/names`: no vowels, and nothing that reads like another character. */
const SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789";
const SUFFIX_LENGTH = 5;
const MAX_PREFIX_LENGTH = 58;

/** What event recorders make of names; anything else the cloud may judge. */
const NAME = /^[A-Za-z0-9][-A-Za-z0-9._:]{0,252}$/;

/**
 * Reads the write of an Event; undefined for one that only the cloud can judge: broken, too large, in
 * another encoding, or a patch that does not simply set values.
 *
 * @param random 0 to 1 exclusive, for a generated name
 * @param nowMs wall clock, for the time of creation
 */
export function readEventWrite(
  request: EventRequest,
  random: () => number,
  nowMs: number,
): EventWrite | undefined {
  const { body } = request;
  if (body.length > MAX_BODY_BYTES) return undefined;
  let objects = 0;
  for (const byte of body) if (byte === OPEN_BRACE && ++objects > MAX_OBJECTS) return undefined;
  try {
    return request.info.verb === "patch" ? readPatch(request) : readCreate(request, random, nowMs);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function readCreate(
  request: EventRequest,
  random: () => number,
  nowMs: number,
): EventWrite | undefined {
  const { info, contentType } = request;
  const event = readEvent(request.body, contentType, info.group);
  const { name: given, generateName, namespace = info.namespace } = event.metadata;
  if (namespace !== info.namespace) return undefined;
  const name = text(given) ?? generatedName(text(generateName), random);
  if (name === undefined || !NAME.test(name)) return undefined;
  const path = eventPath(info, name);
  const metadata = { ...event.metadata, name, namespace };
  const named = { ...event, metadata };
  const created: EventObject = {
    ...named,
    kind: "Event",
    apiVersion: apiVersionOf(info),
    metadata: {
      ...metadata,
      uid: uidOf(request.caller, path, nowMs),
      creationTimestamp: new Date(nowMs).toISOString().replace(/\.\d+/, ""),
    },
  };
  const own = text(given) !== undefined;
  return {
    // As it came, unless the name had to be added.
    entry: {
      ...entryOf(request, "create", name, collectionPath(info, info.namespace)),
      ...(!own && { contentType: JSON_TYPE, body: formatJson(named) }),
    },
    path,
    // The second one is told that the name is taken.
    repeatable: own,
    result: () => created,
  };
}

function readPatch(request: EventRequest): EventWrite | undefined {
  const { info, contentType } = request;
  const type = mediaTypeOf(contentType);
  if (type !== STRATEGIC_MERGE_PATCH_TYPE && type !== MERGE_PATCH_TYPE) return undefined;
  const patch = parseJson(request.body);
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return undefined;
  const path = eventPath(info, info.name);
  const bare: EventObject = {
    kind: "Event",
    apiVersion: apiVersionOf(info),
    metadata: { name: info.name, namespace: info.namespace },
  };
  return {
    entry: entryOf(request, "patch", info.name, path),
    path,
    // Both kinds of patch set values.
    repeatable: true,
    result: (known) => applyMergePatch(known ?? bare, patch) as EventObject,
  };
}

/** Path of an Event in the collection of a request: how it is known. */
export function eventPath(info: ResourceRequest, name: string): string {
  return `${collectionPath(info, info.namespace)}/${encodeURIComponent(name)}`;
}

/** The create that brings back an Event that the cloud has forgotten. */
export function toCreate(entry: JournalEntry, event: EventObject): JournalEntry {
  const { uid: _, resourceVersion: __, creationTimestamp: ___, managedFields: ____, ...metadata } =
    event.metadata;
  return {
    ...entry,
    verb: "create",
    path: entry.path.slice(0, entry.path.lastIndexOf("/")),
    contentType: JSON_TYPE,
    body: formatJson({ ...event, metadata }),
  };
}

function entryOf(
  { info, caller, query, contentType, userAgent, body }: EventRequest,
  verb: JournalEntry["verb"],
  name: string,
  path: string,
): JournalEntry {
  const object = objectKey(info.namespace, name);
  return {
    ...{ verb, caller, object, path, query, userAgent, body },
    contentType: contentType ?? JSON_TYPE,
  };
}

function apiVersionOf({ group, version }: ResourceRequest): string {
  return group === "" ? version : `${group}/${version}`;
}

function generatedName(prefix: string | undefined, random: () => number): string | undefined {
  if (prefix === undefined) return undefined;
  const suffix = Array.from(
    { length: SUFFIX_LENGTH },
    () => SUFFIX_ALPHABET[Math.floor(random() * SUFFIX_ALPHABET.length)],
  );
  return prefix.slice(0, MAX_PREFIX_LENGTH) + suffix.join("");
}

/** A UID as the cloud would give one; that one will differ. */
function uidOf(...parts: (string | number)[]): string {
  const hex = createHash("sha256").update(parts.join("\n")).digest("hex");
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join("-");
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
