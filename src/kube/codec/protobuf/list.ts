import { ByteGatherer } from "../byte_gatherer.ts";
import type { ListSplitter } from "../encoding.ts";
import { concatBytes } from "../json.ts";
import type { ListHead } from "../list.ts";
import {
  checkContentEncoding,
  formatEnvelopeStart,
  MAGIC,
  parseTypeMeta,
  UNKNOWN,
} from "./envelope.ts";
import {
  decodeText,
  FIXED32,
  formatField,
  formatHeader,
  formatNumber,
  formatText,
  LEN,
  MessageReader,
  parseTag,
  VARINT,
  VarintReader,
} from "./wire.ts";

/** Fields of every list. */
const LIST = { metadata: 1, items: 2 } as const;

/** Fields of `meta/v1.ListMeta`. */
const META = { selfLink: 1, resourceVersion: 2, continue: 3, remainingItemCount: 4 } as const;

/** Longest item that is taken, as of a watch frame: etcd's limit for an object is 1.5 MiB. */
const MAX_ITEM_BYTES = 16 * 1024 * 1024;

/** A field that is coming in: gathered if it means something, else passed over. */
interface OpenField {
  field: number;
  inside: boolean;
  gathered?: ByteGatherer;
  left: number;
}

/** Like the one for JSON; each byte is looked at once, and only an item that was cut is copied. */
export class ProtobufListSplitter implements ListSplitter {
  #magic = 0;
  readonly #varint = new VarintReader();
  /** The tag whose length or value is still to come. */
  #tag: { field: number; wire: number } | undefined;
  #open: OpenField | undefined;
  /** Bytes of the list's message that are still to come; undefined before it begins. */
  #left: number | undefined;
  #type: { kind: string; apiVersion: string } | undefined;
  #meta: { resourceVersion: string; continue: string } | undefined;

  push(chunk: Uint8Array): Uint8Array[] {
    const items: Uint8Array[] = [];
    let at = 0;
    for (; this.#magic < MAGIC.length && at < chunk.length; at++) {
      if (chunk[at] !== MAGIC[this.#magic++]) throw broken("it is not Kubernetes protobuf");
    }
    while (at < chunk.length) {
      const inside = this.#isInside;
      const start = at;
      if (this.#open === undefined) this.#header(chunk[at++]!);
      else at = this.#value(this.#open, chunk, at);
      if (inside) {
        this.#left! -= at - start;
        if (this.#left! < 0) throw broken("a field ends behind it");
      }
      this.#close(items);
      const isCut = this.#open !== undefined || this.#tag !== undefined || this.#varint.isOpen;
      if (inside && this.#left === 0 && isCut) throw broken("it ends within a field");
    }
    return items;
  }

  end(): ListHead {
    if (this.#open || this.#tag || this.#varint.isOpen || this.#left !== 0) {
      throw broken("its body ends too early");
    }
    const { kind = "", apiVersion = "" } = this.#type ?? {};
    // The message of another kind may look like a list: only the name tells.
    if (!kind.endsWith("List") || apiVersion === "" || this.#meta === undefined) {
      throw broken(`it is a "${kind}" of the version "${apiVersion}"`);
    }
    return { kind, apiVersion, ...this.#meta, extra: {} };
  }

  /** Whether the next byte belongs to the list, not to its envelope. */
  get #isInside(): boolean {
    return (this.#left ?? 0) > 0;
  }

  /** A byte of a tag, a length or a number. */
  #header(byte: number): void {
    const value = this.#varint.push(byte);
    if (value === undefined) return;
    if (this.#tag === undefined) {
      this.#tag = parseTag(value);
      const { field, wire } = this.#tag;
      if (wire === VARINT || wire === LEN) return;
      this.#open = { field, inside: this.#isInside, left: wire === FIXED32 ? 4 : 8 };
    } else {
      const { field, wire } = this.#tag;
      if (wire === LEN) this.#begin(field, value);
    }
    this.#tag = undefined;
  }

  #begin(field: number, length: number): void {
    const inside = this.#isInside;
    if (!inside && field === UNKNOWN.raw) {
      if (this.#left !== undefined) throw broken("there are two of it");
      this.#left = length;
      return;
    }
    const means = inside
      ? field === LIST.metadata || field === LIST.items
      : field === UNKNOWN.typeMeta || field === UNKNOWN.contentEncoding;
    if (means && length > MAX_ITEM_BYTES) throw broken(`a field of it has ${length} bytes`);
    this.#open = {
      field,
      inside,
      left: length,
      gathered: means ? new ByteGatherer(length) : undefined,
    };
  }

  /** Bytes of a field's value; the offset behind them. */
  #value(open: OpenField, chunk: Uint8Array, at: number): number {
    const end = open.gathered?.take(chunk, at) ?? Math.min(chunk.length, at + open.left);
    open.left -= end - at;
    return end;
  }

  /** Takes a field that is whole. */
  #close(items: Uint8Array[]): void {
    const open = this.#open;
    if (open === undefined || open.left > 0) return;
    this.#open = undefined;
    const bytes = open.gathered?.whole;
    if (bytes === undefined) return;
    if (!open.inside) {
      if (open.field === UNKNOWN.typeMeta) this.#type = parseTypeMeta(bytes);
      else checkContentEncoding(decodeText(bytes));
    } else if (open.field === LIST.items) items.push(bytes);
    else this.#meta = parseListMeta(bytes);
  }
}

function broken(what: string): SyntaxError {
  return new SyntaxError(`Cannot read a list: ${what}`);
}

function parseListMeta(bytes: Uint8Array): { resourceVersion: string; continue: string } {
  const meta = { resourceVersion: "", continue: "" };
  const reader = new MessageReader(bytes);
  while (reader.next()) {
    if (reader.is(META.resourceVersion)) meta.resourceVersion = reader.text();
    else if (reader.is(META.continue)) meta.continue = reader.text();
  }
  return meta;
}

/**
 * The bytes of a list before its items.
 *
 * @param itemsBytes length of all items as {@linkcode formatListItem} writes them: the list begins with its own
 */
export function formatListOpening(
  { kind, apiVersion, resourceVersion, continue: token }: ListHead,
  itemsBytes: number,
  remainingItemCount?: number,
): Uint8Array {
  const more = token !== "" && remainingItemCount !== undefined;
  // All three texts are written even if empty, as Go does.
  const metadata = formatField(
    LIST.metadata,
    formatText(META.selfLink, ""),
    formatText(META.resourceVersion, resourceVersion),
    formatText(META.continue, token),
    ...(more ? [formatNumber(META.remainingItemCount, remainingItemCount)] : []),
  );
  const start = formatEnvelopeStart({ kind, apiVersion }, metadata.length + itemsBytes);
  return concatBytes([start, metadata]);
}

/** An item of a list, in parts. */
export function formatListItem(body: Uint8Array): [header: Uint8Array, body: Uint8Array] {
  return [formatHeader(LIST.items, body.length), body];
}
