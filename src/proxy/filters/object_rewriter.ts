import { concatBytes } from "../../kube/codec/json.ts";
import {
  BACKSLASH,
  CLOSE_BRACE,
  CLOSE_BRACKET,
  ContainerScanner,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
} from "../../kube/codec/json_tokens.ts";

/** What becomes of an object; the very same bytes when nothing does. */
export type Visit = (object: Uint8Array) => Uint8Array;

/** Longest object that is looked at, as for what is kept; a longer one passes as it is. */
const MAX_OBJECT_BYTES = 16 * 1024 * 1024;

const NOTHING = new Uint8Array(0);

/**
 * Rewrites the objects in the body of a list or a watch while it streams by: those that are the value of a field
 * of the outermost object, as in an event, or an element of an array that is one, as in a list. All other bytes
 * pass as they are, whatever they are: what is no JSON is no object either. It judges nothing and never fails.
 */
export class ObjectRewriter {
  readonly #visit: Visit;
  /** Of what is around the objects. */
  #depth = 0;
  #inString = false;
  #escaped = false;
  /** Whether what lies at depth 2 is an array. */
  #inArray = false;
  /** Finds the end of the object that has begun. */
  #object: ContainerScanner | undefined;
  /** What has come of it; undefined when it is too long to be looked at. */
  #parts: Uint8Array[] | undefined = [];
  #size = 0;

  constructor(visit: Visit) {
    this.#visit = visit;
  }

  /** Takes the next bytes, and returns those that can be passed on. */
  push(chunk: Uint8Array): Uint8Array {
    const out: Uint8Array[] = [];
    for (let at = 0; at < chunk.length;) {
      const rest = chunk.subarray(at);
      if (this.#object === undefined) {
        const begin = this.#findObject(rest);
        out.push(rest.subarray(0, begin));
        at += begin;
      } else {
        const end = this.#object.scan(rest);
        const part = end < 0 ? rest : rest.subarray(0, end);
        out.push(this.#gather(part), end < 0 ? NOTHING : this.#finish());
        at += part.length;
      }
    }
    return concatBytes(out);
  }

  /** The beginning of an object of which the end never came. */
  end(): Uint8Array {
    return concatBytes(this.#parts ?? []);
  }

  /** Steps over what is around objects. @returns where the next object begins; the length if none does */
  #findObject(bytes: Uint8Array): number {
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i];
      if (this.#escaped) this.#escaped = false;
      else if (this.#inString) {
        if (byte === BACKSLASH) this.#escaped = true;
        else if (byte === QUOTE) this.#inString = false;
      } else if (byte === QUOTE) this.#inString = true;
      else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        const isPlace = this.#depth === 1 || (this.#depth === 2 && this.#inArray);
        if (byte === OPEN_BRACE && isPlace) {
          this.#object = new ContainerScanner();
          return i;
        }
        if (++this.#depth === 2) this.#inArray = byte === OPEN_BRACKET;
      } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
        this.#depth = Math.max(0, this.#depth - 1);
      }
    }
    return bytes.length;
  }

  /** Takes more of an object. @returns what can be passed on before its end */
  #gather(part: Uint8Array): Uint8Array {
    if (this.#parts === undefined) return part;
    this.#parts.push(part);
    this.#size += part.length;
    if (this.#size <= MAX_OBJECT_BYTES) return NOTHING;
    const gathered = concatBytes(this.#parts);
    this.#parts = undefined;
    return gathered;
  }

  /** What becomes of the object that is whole. */
  #finish(): Uint8Array {
    const shown = this.#parts === undefined ? NOTHING : this.#visit(concatBytes(this.#parts));
    this.#object = undefined;
    this.#parts = [];
    this.#size = 0;
    return shown;
  }
}

/** A body of which the objects are rewritten. */
export function rewriteObjects(
  body: ReadableStream<Uint8Array>,
  visit: Visit,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const rewriter = new ObjectRewriter(visit);
  return body.pipeThrough(
    new TransformStream({
      transform(chunk, controller) {
        const bytes = rewriter.push(chunk);
        if (bytes.length > 0) controller.enqueue(bytes as Uint8Array<ArrayBuffer>);
      },
      flush(controller) {
        const bytes = rewriter.end();
        if (bytes.length > 0) controller.enqueue(bytes as Uint8Array<ArrayBuffer>);
      },
    }),
  );
}

/** A body that is one object, rewritten as a whole. */
export function rewriteWhole(
  body: ReadableStream<Uint8Array>,
  visit: Visit,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  return body.pipeThrough(
    new TransformStream({
      transform: (chunk) => void parts.push(chunk),
      flush: (controller) =>
        controller.enqueue(visit(concatBytes(parts)) as Uint8Array<ArrayBuffer>),
    }),
  );
}
