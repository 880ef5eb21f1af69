import { concatBytes } from "../../kube/codec/json.ts";

/** What becomes of an object; the very same bytes when nothing does. */
export type Visit = (object: Uint8Array) => Uint8Array;

/** Longest object that is looked at, as for what is kept; a longer one passes as it is. */
const MAX_OBJECT_BYTES = 16 * 1024 * 1024;

const [QUOTE, BACKSLASH] = [0x22, 0x5c];
const [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [0x7b, 0x7d, 0x5b, 0x5d];

/**
 * Rewrites the objects in the body of a list or a watch while it streams by: those that are the value of a field
 * of the outermost object, as in an event, or an element of an array that is one, as in a list. All other bytes
 * pass as they are, whatever they are: what is no JSON is no object either. It judges nothing and never fails.
 */
export class ObjectRewriter {
  readonly #visit: Visit;
  #depth = 0;
  #inString = false;
  #escaped = false;
  /** Whether what lies at depth 2 is an array. */
  #inArray = false;
  /** The depth in which the object began that is being gathered; 0 while none is. */
  #began = 0;
  #parts: Uint8Array[] = [];
  #size = 0;

  constructor(visit: Visit) {
    this.#visit = visit;
  }

  /** Takes the next bytes, and returns those that can be passed on. */
  push(chunk: Uint8Array): Uint8Array {
    const out: Uint8Array[] = [];
    let start = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i];
      if (this.#escaped) this.#escaped = false;
      else if (this.#inString) {
        if (byte === BACKSLASH) this.#escaped = true;
        else if (byte === QUOTE) this.#inString = false;
      } else if (byte === QUOTE) this.#inString = true;
      else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        const begins = byte === OPEN_BRACE && this.#began === 0 &&
          (this.#depth === 1 || (this.#depth === 2 && this.#inArray));
        if (begins) {
          out.push(chunk.subarray(start, i));
          start = i;
          this.#began = this.#depth;
        }
        if (++this.#depth === 2) this.#inArray = byte === OPEN_BRACKET;
      } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
        this.#depth = Math.max(0, this.#depth - 1);
        if (this.#began === 0 || this.#depth > this.#began) continue;
        this.#gather(chunk.subarray(start, i + 1));
        out.push(this.#visit(this.#release()));
        start = i + 1;
      }
    }
    const rest = chunk.subarray(start);
    if (this.#began === 0) out.push(rest);
    else this.#gather(rest);
    if (this.#size > MAX_OBJECT_BYTES) out.push(this.#release());
    return concatBytes(out);
  }

  /** The beginning of an object of which the end never came. */
  end(): Uint8Array {
    return this.#release();
  }

  #gather(part: Uint8Array): void {
    this.#parts.push(part);
    this.#size += part.length;
  }

  /** What was gathered. */
  #release(): Uint8Array {
    const object = concatBytes(this.#parts);
    this.#parts = [];
    this.#size = 0;
    this.#began = 0;
    return object;
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
