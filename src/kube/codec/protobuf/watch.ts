import { ByteGatherer } from "../byte_gatherer.ts";
import type { FrameSplitter } from "../encoding.ts";
import { concatBytes } from "../json.ts";
import { isEventType, MAX_FRAME_BYTES, type WatchEvent } from "../../watch_event.ts";
import { hasEnvelope } from "./envelope.ts";
import { findField, formatField, formatText, MessageReader } from "./wire.ts";

/** Length of the big-endian number before each frame (`k8s.io/apimachinery/pkg/util/framer`). */
const PREFIX_BYTES = 4;

/** Fields of `meta/v1.WatchEvent`. */
const EVENT = { type: 1, object: 2 } as const;

/** Field of `runtime.RawExtension`. */
const RAW = 1;

/** Cuts the body of a watch into its length-prefixed frames. */
export class ProtobufFrameSplitter implements FrameSplitter {
  #prefix = new ByteGatherer(PREFIX_BYTES);
  #frame: ByteGatherer | undefined;

  push(chunk: Uint8Array): Uint8Array[] {
    const frames: Uint8Array[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (this.#frame === undefined) {
        at = this.#prefix.take(chunk, at);
        const prefix = this.#prefix.whole;
        if (prefix === undefined) break;
        const length = new DataView(prefix.buffer, prefix.byteOffset).getUint32(0);
        if (length === 0 || length > MAX_FRAME_BYTES) {
          throw new SyntaxError(
            `Cannot read a watch frame: it has ${length} bytes, more than 0 and at most ${MAX_FRAME_BYTES} are taken`,
          );
        }
        this.#prefix = new ByteGatherer(PREFIX_BYTES);
        this.#frame = new ByteGatherer(length);
      }
      at = this.#frame.take(chunk, at);
      const frame = this.#frame.whole;
      if (frame === undefined) break;
      frames.push(frame);
      this.#frame = undefined;
    }
    return frames;
  }
}

/** Reads a frame without its length. @throws {SyntaxError} */
export function parseWatchEvent(frame: Uint8Array): WatchEvent {
  let type = "";
  let object: Uint8Array | undefined;
  const reader = new MessageReader(frame);
  while (reader.next()) {
    if (reader.is(EVENT.type)) type = reader.text();
    else if (reader.is(EVENT.object)) object = findField(reader.bytes(), RAW);
  }
  if (!isEventType(type) || object === undefined || !hasEnvelope(object)) {
    throw new SyntaxError(`Cannot read a watch frame: its type is ${JSON.stringify(type)}`);
  }
  return { type, object };
}

/** A frame with its length. */
export function formatFrame(type: WatchEvent["type"], object: Uint8Array): Uint8Array {
  const event = concatBytes([
    formatText(EVENT.type, type),
    formatField(EVENT.object, formatField(RAW, object)),
  ]);
  const prefix = new Uint8Array(PREFIX_BYTES);
  new DataView(prefix.buffer).setUint32(0, event.length);
  return concatBytes([prefix, event]);
}
