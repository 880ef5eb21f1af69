import type { Encoding } from "../../kube/codec/encoding.ts";
import type { ItemType, StoredObject } from "../../kube/object_meta.ts";
import { PARTIAL_METADATA } from "../../kube/partial_metadata.ts";
import type { WindowEvent } from "./event_window.ts";

/**
 * How a narrower scope is seen in the hub of a wider one: which objects are in it, and how they are shown.
 * Without anything: the hub as it is.
 */
export interface View {
  /** Keys from here (exclusive) up to there (exclusive). */
  range?: { after?: string; before?: string };
  /** Leaves objects out: selectors. */
  filter?: (object: Pick<StoredObject, "key" | "body">) => boolean;
  /** `metadata`: the objects' metadata alone. */
  show?: "metadata";
}

/** Whether a view holds an object. */
export function isInView(
  { range: { after = "", before } = {}, filter }: View,
  object: Pick<StoredObject, "key" | "body">,
): boolean {
  const { key } = object;
  return key > after && (before === undefined || key < before) && (filter?.(object) ?? true);
}

/** Kind of the objects that a view shows, of a hub that holds `type`. */
export function viewType({ show }: View, type: ItemType): ItemType {
  return show === "metadata" ? PARTIAL_METADATA : type;
}

/** An item of a list as a view shows it. */
export function showItem({ show }: View, encoding: Encoding, body: Uint8Array): Uint8Array {
  return show === "metadata" ? encoding.toPartialMetadata(body) : body;
}

/**
 * The frame by which a watcher of a view is told of an event; undefined when it is told nothing. What begins
 * to match is ADDED, and what ceases is DELETED in its last matching state but with the new version, as
 * `convertToWatchEvent` of the apiserver's cacher has it.
 *
 * @param hub the hub: how its bytes are written, and the kind of its objects
 */
export function viewFrame(
  view: View,
  event: WindowEvent,
  { encoding, itemType }: { encoding: Encoding; itemType: ItemType },
): Uint8Array | undefined {
  const { key, previous, resourceVersion } = event;
  const object = objectOf(event, encoding);
  const format = (change: WindowEvent["type"], typed: Uint8Array) => {
    if (view.show === undefined) {
      return change === event.type ? event.frame : encoding.formatFrame(change, typed);
    }
    const shown = showItem(view, encoding, typed);
    return encoding.formatFrame(change, encoding.toTypedBody(shown, viewType(view, itemType)));
  };
  const isIn = isInView(view, { key, body: object });
  if (event.type !== "MODIFIED") return isIn ? format(event.type, object) : undefined;
  const wasIn = previous !== undefined && isInView(view, { key, body: previous });
  if (isIn) return format(wasIn ? "MODIFIED" : "ADDED", object);
  if (!wasIn) return undefined;
  const last = encoding.toTypedBody(previous, itemType);
  return format("DELETED", encoding.stampResourceVersion(last, resourceVersion));
}

/** Kept as long as the event is: it is looked at for each of the watchers, and has many on a busy node. */
const objects = new WeakMap<WindowEvent, Uint8Array>();

function objectOf(event: WindowEvent, encoding: Encoding): Uint8Array {
  const known = objects.get(event);
  if (known !== undefined) return known;
  const [frame] = encoding.createFrameSplitter().push(event.frame);
  const { object } = encoding.parseWatchEvent(frame!);
  objects.set(event, object);
  return object;
}
