import type { ListHead } from "./list.ts";
import type { ItemType, ObjectMeta, StoredObject } from "../object_meta.ts";
import { objectKey } from "../object_meta.ts";
import type { Gvr } from "../request_info.ts";
import type { StatusOptions } from "../status.ts";
import type { ChangeType, WatchEvent } from "../watch_event.ts";

/** The encodings whose bytes are kept and spliced. */
export type EncodingName = "json" | "protobuf";

/** Cuts the body of a list into its items while it streams in. */
export interface ListSplitter {
  /**
   * Takes the next bytes of the body and returns the items that they complete: views, good until the
   * caller reuses the buffer.
   *
   * @throws {SyntaxError} when the body is not a list
   */
  push(chunk: Uint8Array): Uint8Array[];
  /** What the list says beside its items. @throws {SyntaxError} when the body is not whole */
  end(): ListHead;
}

/** Cuts the body of a watch into its frames while it streams in. */
export interface FrameSplitter {
  /** Takes the next bytes and returns the frames they complete. @throws {SyntaxError} on no watch */
  push(chunk: Uint8Array): Uint8Array[];
}

/** What selectors see of one object. */
export interface SelectorView {
  labels: Readonly<Record<string, string>>;
  /** A field's value as selectors compare it; empty where there is none. */
  field(path: string): string;
}

/**
 * How objects, lists and watches are written as bytes. Objects are never decoded as a whole: they are the
 * bytes that the kube-apiserver sent, and lists and frames are cut from and spliced into those.
 *
 * An object _stands alone_ in a GET and in a watch event, where it says its kind; in a list it may not.
 */
export interface Encoding {
  readonly name: EncodingName;
  /** Media type of objects and lists. */
  readonly contentType: string;
  /** Media type of watches, as kube-apiserver writes it. */
  readonly watchContentType: string;

  createListSplitter(): ListSplitter;
  createFrameSplitter(): FrameSplitter;
  /** Reads a frame. @throws {SyntaxError} */
  parseWatchEvent(frame: Uint8Array): WatchEvent;
  /** Reads the metadata of an object, whether it stands alone or lies in a list. @throws {SyntaxError} */
  readMeta(object: Uint8Array): ObjectMeta;
  /** Kind and apiVersion of what stands alone; empty where it does not say. @throws {SyntaxError} */
  readType(object: Uint8Array): ItemType;
  /** Reads a `Status` that stands alone. @throws {SyntaxError} */
  readStatus(object: Uint8Array): { code?: number; message?: string };

  /** An object that stands alone as it lies in a list. @throws {SyntaxError} */
  toListBody(object: Uint8Array): Uint8Array;
  /** An item of a list as it stands alone. @throws {SyntaxError} */
  toTypedBody(body: Uint8Array, type: ItemType): Uint8Array;
  /** The item that a list of metadata alone has for an object, which may stand alone. @throws {SyntaxError} */
  toPartialMetadata(object: Uint8Array): Uint8Array;
  /** An object that stands alone, with another resourceVersion. @throws {SyntaxError} */
  stampResourceVersion(object: Uint8Array, resourceVersion: string): Uint8Array;
  /**
   * How selectors see objects; undefined when they name a field that can't be seen in these bytes.
   *
   * @param metadataOnly whether the objects are PartialObjectMetadata
   */
  createSelectorView(
    gvr: Gvr,
    fields: readonly string[],
    metadataOnly: boolean,
  ): ((body: Uint8Array) => SelectorView) | undefined;

  /** Whether a list begins with its length: its items must be measured before the first byte is sent. */
  readonly sizedLists: boolean;
  /**
   * The bytes of a list before its items.
   *
   * @param itemsBytes length of all {@linkcode formatListItem}; matters only with {@linkcode sizedLists}
   */
  formatListOpening(head: ListHead, itemsBytes: number, remainingItemCount?: number): Uint8Array;
  /** The bytes of one item in a list, in parts; `first` says that none comes before it. */
  formatListItem(body: Uint8Array, first: boolean): readonly Uint8Array[];
  /** The bytes of a list behind its items. */
  readonly listClosing: Uint8Array;

  /** A whole frame of an object that stands alone. */
  formatFrame(type: WatchEvent["type"], object: Uint8Array): Uint8Array;
  /** A BOOKMARK: nothing up to `resourceVersion` is missing. */
  formatBookmark(type: ItemType, resourceVersion: string, initialEventsEnd?: boolean): Uint8Array;
  /** A failure `Status` that stands alone. */
  formatStatus(status: StatusOptions): Uint8Array;
}

/** An item of a list, or an object that stands alone, as stored. @throws {SyntaxError} when it has no name */
export function toStoredObject(encoding: Encoding, body: Uint8Array): StoredObject {
  const { name, namespace, uid, resourceVersion } = encoding.readMeta(body);
  if (name === "") throw new SyntaxError("Cannot read an object: it has no name");
  return { key: objectKey(namespace, name), uid, resourceVersion, body };
}

/** A frame of an object as it lies in a list. */
export function formatItemFrame(
  encoding: Encoding,
  type: ChangeType,
  body: Uint8Array,
  itemType: ItemType,
): Uint8Array {
  return encoding.formatFrame(type, encoding.toTypedBody(body, itemType));
}

/** An ERROR frame: how a watch that was answered 200 fails. */
export function formatErrorFrame(encoding: Encoding, status: StatusOptions): Uint8Array {
  return encoding.formatFrame("ERROR", encoding.formatStatus(status));
}
