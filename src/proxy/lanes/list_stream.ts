import { nextTurn } from "../../kernel/clock.ts";
import type { Encoding } from "../../kube/codec/encoding.ts";
import { concatBytes } from "../../kube/codec/json.ts";
import type { ListHead } from "../../kube/codec/list.ts";
import type { StoredObject } from "../../kube/object_meta.ts";
import type { Hub } from "../hub/hub.ts";
import { showItem, type View } from "../hub/view.ts";
import { DamagedError } from "../store/rows.ts";
import type { Snapshot } from "../store/snapshot.ts";

/** What a streamed list shows. */
export interface StreamedList {
  head: ListHead;
  view: View;
}

/**
 * A list of what a hub holds, a slice at a time: memory does not grow with the cluster. Damage breaks the body
 * off, so that the client sees that the list is not whole.
 *
 * @throws {DamagedError} when the first objects are damaged
 */
export function streamList(hub: Hub, list: StreamedList): ReadableStream<Uint8Array> {
  const { content, encoding } = hub;
  const { range } = list.view;
  // Nothing can change between the two: they show the same moment.
  const snapshot = content.snapshot(range);
  const measured = encoding.sizedLists ? content.snapshot(range) : undefined;
  const dispose = () => {
    snapshot[Symbol.dispose]();
    measured?.[Symbol.dispose]();
  };
  let source: AsyncGenerator<Uint8Array, void, void>;
  try {
    source = pieces(encoding, list, slicesOf(snapshot), measured && slicesOf(measured));
  } catch (error) {
    dispose();
    throw error;
  }
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await source.next();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        dispose();
        if (error instanceof DamagedError) hub.damaged(error.key);
        controller.error(error);
      }
    },
    cancel: dispose,
  }, { highWaterMark: 0 });
}

/** The slices of a snapshot; the first is read at once. @throws {DamagedError} */
function slicesOf(snapshot: Snapshot): Iterable<StoredObject[]> {
  const first = snapshot.next();
  return function* () {
    for (let slice = first; slice.length > 0; slice = snapshot.next()) yield slice;
  }();
}

async function* pieces(
  encoding: Encoding,
  { head, view }: StreamedList,
  slices: Iterable<StoredObject[]>,
  measured: Iterable<StoredObject[]> | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  const { filter = () => true } = view;
  let size = 0;
  for (const slice of measured ?? []) {
    for (const object of slice.filter(filter)) {
      const body = showItem(view, encoding, object.body);
      for (const part of encoding.formatListItem(body, false)) size += part.length;
    }
    await nextTurn();
  }
  let parts = [encoding.formatListOpening(head, size)];
  let first = true;
  for (const slice of slices) {
    for (const { body } of slice.filter(filter)) {
      parts.push(...encoding.formatListItem(showItem(view, encoding, body), first));
      first = false;
    }
    if (parts.length > 0) yield concatBytes(parts);
    else await nextTurn();
    parts = [];
  }
  yield concatBytes([...parts, encoding.listClosing]);
}
