import type { ListSplitter } from "./encoding.ts";
import { concatBytes, formatJson, parseJson } from "./json.ts";
import {
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COLON,
  COMMA,
  ContainerScanner,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  skipSpace,
  skipString,
  skipValue,
} from "./json_tokens.ts";

/** What a list says beside its items. */
export interface ListHead {
  kind: string;
  apiVersion: string;
  resourceVersion: string;
  /** Token of the next page; empty on the last one. */
  continue: string;
  /** Whether an empty `continue` is spelled out, as lists of custom resources do. */
  spellsContinue?: boolean;
  /** Other fields of the list, such as a Table's `columnDefinitions`. */
  extra: Record<string, unknown>;
}

type SplitterState =
  | "before"
  | "first-key"
  | "key"
  | "colon"
  | "value"
  | "first-item"
  | "item"
  | "after-item"
  | "after"
  | "done";

/** An item of which the beginning has come. */
interface CutItem {
  scanner: ContainerScanner;
  parts: Uint8Array[];
  size: number;
}

/**
 * Longest key or value beside the items that is taken: it is looked at again with each piece of the body. The
 * columns of a Table have some 10 KB.
 */
const MAX_FIELD_BYTES = 1024 * 1024;

/** Longest item that is taken, as of a watch frame: etcd's limit for an object is 1.5 MiB, JSON may triple it. */
const MAX_ITEM_BYTES = 16 * 1024 * 1024;

/**
 * Cuts the body of a list into its items while it streams in. The list is whole only when
 * {@linkcode end} returned: an HTTP body that ends cleanly proves nothing (RST_STREAM NO_ERROR, EOF).
 */
export class JsonListSplitter implements ListSplitter {
  readonly #fields: Record<string, unknown> = {};
  #state: SplitterState = "before";
  #rest: Uint8Array = new Uint8Array(0);
  #key = "";
  #hasItems = false;
  /** An item that goes on in the next chunk. */
  #cut: CutItem | undefined;

  /**
   * Takes the next bytes of the body and returns the items that they complete.
   *
   * @throws {SyntaxError} when the body is not a list.
   */
  push(chunk: Uint8Array): Uint8Array[] {
    const items: Uint8Array[] = [];
    let at = this.#cut === undefined ? 0 : this.#goOn(this.#cut, chunk, items);
    const bytes = this.#rest.length === 0 ? chunk : concatBytes([this.#rest, chunk]);
    for (;;) {
      at = skipSpace(bytes, at, bytes.length);
      if (at === bytes.length) break;
      const next = this.#step(bytes, at, items);
      if (next < 0) break;
      at = next;
    }
    this.#rest = bytes.subarray(at);
    if (this.#rest.length > MAX_FIELD_BYTES) {
      throw new SyntaxError(`Cannot read a list: a field is longer than ${MAX_FIELD_BYTES} bytes`);
    }
    return items;
  }

  /** The list's own fields. @throws {SyntaxError} when the body is not whole. */
  end(): ListHead {
    if (this.#state !== "done" || this.#rest.length > 0 || this.#cut !== undefined) {
      throw new SyntaxError(
        `Cannot read a list: its body ends too early (in state ${this.#state})`,
      );
    }
    const { kind, apiVersion, metadata, ...extra } = this.#fields;
    if (typeof kind !== "string" || typeof apiVersion !== "string") {
      throw new SyntaxError("Cannot read a list: it has no kind and apiVersion");
    }
    // Every list of Kubernetes spells them out: a body without is something else, not an empty list.
    if (!this.#hasItems || metadata === null || typeof metadata !== "object") {
      throw new SyntaxError(`Cannot read a list: the ${kind} has no items or no metadata`);
    }
    const meta = metadata as { resourceVersion?: unknown; continue?: unknown };
    return {
      kind,
      apiVersion,
      resourceVersion: String(meta.resourceVersion ?? ""),
      continue: String(meta.continue ?? ""),
      ...("continue" in meta && { spellsContinue: true }),
      extra,
    };
  }

  /** Does one token at `at`; the offset behind it, or -1 when more bytes are needed. */
  #step(bytes: Uint8Array, at: number, items: Uint8Array[]): number {
    const byte = bytes[at];
    switch (this.#state) {
      case "before":
        return this.#expect(byte === OPEN_BRACE, "first-key", at, '"{"');
      case "first-key":
      case "key": {
        if (byte === CLOSE_BRACE) {
          return this.#expect(this.#state === "first-key", "done", at, "a key");
        }
        if (byte !== QUOTE) return this.#expect(false, "colon", at, "a key");
        const end = skipString(bytes, at, bytes.length);
        if (end < 0) return -1;
        this.#key = parseJson(bytes.subarray(at, end)) as string;
        this.#state = "colon";
        return end;
      }
      case "colon":
        return this.#expect(byte === COLON, "value", at, '":"');
      case "value": {
        const holdsItems = this.#key === "items" || this.#key === "rows";
        this.#hasItems ||= holdsItems;
        if (holdsItems && byte === OPEN_BRACKET) return this.#expect(true, "first-item", at, "");
        const end = skipValue(bytes, at, bytes.length);
        if (end < 0) return -1;
        const value = parseJson(bytes.subarray(at, end));
        // A nil slice of Go: a list without items.
        if (holdsItems) this.#expect(value === null, "after", at, "an array of items");
        else this.#fields[this.#key] = value;
        this.#state = "after";
        return end;
      }
      case "first-item":
      case "item": {
        if (byte === CLOSE_BRACKET) {
          return this.#expect(this.#state === "first-item", "after", at, "an item");
        }
        if (byte !== OPEN_BRACE) return this.#expect(false, "item", at, "an item");
        const end = skipValue(bytes, at, bytes.length);
        this.#state = "after-item";
        if (end < 0) {
          const cut = { scanner: new ContainerScanner(), parts: [], size: 0 };
          this.#goOn(cut, bytes.subarray(at), items);
          return bytes.length;
        }
        items.push(bytes.subarray(at, end));
        return end;
      }
      case "after-item":
        if (byte === COMMA) return this.#expect(true, "item", at, "");
        return this.#expect(byte === CLOSE_BRACKET, "after", at, '"," or "]"');
      case "after":
        if (byte === COMMA) return this.#expect(true, "key", at, "");
        return this.#expect(byte === CLOSE_BRACE, "done", at, '"," or "}"');
      case "done":
        return this.#expect(false, "done", at, "the end");
      default:
        return this.#state satisfies never;
    }
  }

  /** Takes more of an item that was cut; the offset behind it, or the chunk's end if it still goes on. */
  #goOn(cut: CutItem, chunk: Uint8Array, items: Uint8Array[]): number {
    const end = cut.scanner.scan(chunk);
    const part = end < 0 ? chunk : chunk.subarray(0, end);
    cut.parts.push(part);
    cut.size += part.length;
    if (cut.size > MAX_ITEM_BYTES) {
      throw new SyntaxError(`Cannot read a list: an item is longer than ${MAX_ITEM_BYTES} bytes`);
    }
    this.#cut = end < 0 ? cut : undefined;
    if (end >= 0) items.push(concatBytes(cut.parts));
    return part.length;
  }

  #expect(ok: boolean, next: SplitterState, at: number, what: string): number {
    if (!ok) throw new SyntaxError(`Cannot read a list: ${what} expected at byte ${at} of a piece`);
    this.#state = next;
    return at + 1;
  }
}

const encoder = new TextEncoder();

/** The bytes of a list before its items. */
export function formatListOpening(head: ListHead, remainingItemCount?: number): Uint8Array {
  const { kind, apiVersion, resourceVersion, extra } = head;
  const metadata = {
    resourceVersion,
    ...((head.continue !== "" || head.spellsContinue) && { continue: head.continue }),
    ...(head.continue !== "" && remainingItemCount !== undefined && { remainingItemCount }),
  };
  const fields = formatJson({ kind, apiVersion, metadata, ...extra });
  const array = encoder.encode(`,"${kind === "Table" ? "rows" : "items"}":[`);
  return concatBytes([fields.subarray(0, -1), array]);
}

/** The bytes of a list behind its items. */
export const LIST_CLOSING: Uint8Array = encoder.encode("]}\n");
