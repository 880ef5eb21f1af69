import { concatBytes, formatJson, parseJson, scanObject, spliceBytes } from "./codec/json.ts";
import type { FrameSplitter } from "./codec/encoding.ts";
import { type ItemType, readObjectMeta } from "./object_meta.ts";

/** What happened to an object. */
export type ChangeType = "ADDED" | "MODIFIED" | "DELETED";

/** One frame of a watch (`metav1.WatchEvent`); `object` stands alone: it says its kind. */
export interface WatchEvent {
  type: ChangeType | "BOOKMARK" | "ERROR";
  object: Uint8Array;
}

/** The annotation of the bookmark that ends the initial events of a WatchList (KEP-3157). */
export const INITIAL_EVENTS_END = "k8s.io/initial-events-end";

const TYPES = new Set<string>(["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]);
const NEWLINE = 0x0a;
const encoder = new TextEncoder();
const FRAME_END = encoder.encode("}\n");

/** Longest frame that is taken: etcd's limit for an object is 1.5 MiB, JSON may triple it. */
export const MAX_FRAME_BYTES = 16 * 1024 * 1024;

/** Whether a text names what a watch can tell. */
export function isEventType(text: string): text is WatchEvent["type"] {
  return TYPES.has(text);
}

/** Cuts the body of a watch into its newline-delimited frames. */
export class JsonFrameSplitter implements FrameSplitter {
  #parts: Uint8Array[] = [];
  #size = 0;

  /** Takes the next bytes and returns the frames they complete. @throws {SyntaxError} on an endless one. */
  push(chunk: Uint8Array): Uint8Array[] {
    const frames: Uint8Array[] = [];
    let start = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, start)) {
      const frame = concatBytes([...this.#parts, chunk.subarray(start, at)]);
      this.#parts = [];
      this.#size = 0;
      if (frame.length > 0) frames.push(frame);
      start = at + 1;
    }
    if (start < chunk.length) {
      this.#parts.push(chunk.subarray(start));
      this.#size += chunk.length - start;
      if (this.#size > MAX_FRAME_BYTES) {
        throw new SyntaxError(
          `Cannot read a watch frame: it is longer than ${MAX_FRAME_BYTES} bytes`,
        );
      }
    }
    return frames;
  }
}

/** Reads a frame. @throws {SyntaxError} */
export function parseWatchEvent(frame: Uint8Array): WatchEvent {
  const fields = scanObject(frame);
  const type = fields.get("type");
  const object = fields.get("object");
  const name = type && parseJson(frame.subarray(...type));
  if (object === undefined || typeof name !== "string" || !isEventType(name)) {
    throw new SyntaxError(`Cannot read a watch frame: its type is ${JSON.stringify(name)}`);
  }
  return { type: name, object: frame.subarray(...object) };
}

/** A frame with its newline. */
export function formatFrame(type: WatchEvent["type"], object: Uint8Array): Uint8Array {
  return concatBytes([encoder.encode(`{"type":"${type}","object":`), object, FRAME_END]);
}

/** A BOOKMARK: nothing up to `resourceVersion` is missing. */
export function formatBookmark(
  itemType: ItemType,
  resourceVersion: string,
  initialEventsEnd = false,
): Uint8Array {
  const annotations = { [INITIAL_EVENTS_END]: "true" };
  return formatFrame(
    "BOOKMARK",
    formatJson({
      kind: itemType.kind,
      apiVersion: itemType.apiVersion,
      metadata: {
        resourceVersion,
        ...(initialEventsEnd && { annotations }),
      },
    }),
  );
}

/** The object of a DELETED event stamped with the version at which it was found gone. */
export function stampResourceVersion(object: Uint8Array, resourceVersion: string): Uint8Array {
  const range = scanObject(object).get("metadata");
  if (range === undefined) throw new SyntaxError("Cannot stamp an object: it has no metadata");
  const metadata = object.subarray(...range);
  const version = scanObject(metadata).get("resourceVersion");
  if (version === undefined || readObjectMeta(object).resourceVersion === resourceVersion) {
    return object;
  }
  const [start] = range;
  const at = [start + version[0], start + version[1]] as const;
  return spliceBytes(object, at, formatJson(resourceVersion));
}
