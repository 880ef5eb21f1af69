import type { ListHead } from "../kube/codec/list.ts";
import { itemTypeOf, type StoredObject, toStoredObject, toTypedBody } from "../kube/object_meta.ts";
import type { Replacement } from "../kube/reflector.ts";
import { compareResourceVersions } from "../kube/resource_version.ts";
import { type ChangeType, formatFrame, stampResourceVersion } from "../kube/watch_event.ts";
import type { StateStore } from "./store/state_store.ts";

/** The side of a hub that a new list changes. */
export interface HubReplacement {
  store: StateStore;
  id: number;
  /** Version of the content before; empty if there was none. */
  resourceVersion: string;
  /** False once a later replacement was begun: this one is forgotten. */
  isLatest(): boolean;
  /** The list is whole; tells whether watchers are sent the difference or must begin anew. */
  begin(head: ListHead): "difference" | "restart";
  push(
    type: ChangeType,
    key: string,
    resourceVersion: string,
    foundGone: boolean,
    frame: Uint8Array,
  ): void;
  end(head: ListHead, differences: number): void;
}

interface Difference {
  object: StoredObject;
  type: "ADDED" | "MODIFIED" | "RECREATED";
}

/**
 * Puts a new list in the place of the content. Objects that did not change are neither kept in memory
 * nor written; the first list of all goes straight to the store, where it counts only once complete.
 */
export function replaceContent(hub: HubReplacement): Replacement {
  const { store, id } = hub;
  const first = hub.resourceVersion === "";
  const before = store.versions(id);
  const gone = new Set(before.keys());
  const differences: Difference[] = [];
  return {
    async add(items) {
      if (!hub.isLatest()) return;
      for (const item of items) {
        const object = toStoredObject(item);
        gone.delete(object.key);
        const old = before.get(object.key);
        if (old?.uid === object.uid && old.resourceVersion === object.resourceVersion) continue;
        if (first) {
          store.put(id, object);
          continue;
        }
        const type = old === undefined
          ? "ADDED"
          : old.uid === object.uid
          ? "MODIFIED"
          : "RECREATED";
        differences.push({ type, object: { ...object, body: object.body.slice() } });
      }
      await store.settled();
    },
    commit(head) {
      if (!hub.isLatest()) return;
      const announce = hub.begin(head) === "difference" && !first;
      const type = itemTypeOf(head);
      // Stamped with the version before: a watcher that is ahead of it is told 410 instead.
      const announceGone = (key: string) => {
        const old = announce ? store.get(id, key) : undefined;
        if (old === undefined) return;
        const object = stampResourceVersion(toTypedBody(old.body, type), hub.resourceVersion);
        hub.push("DELETED", key, hub.resourceVersion, true, formatFrame("DELETED", object));
      };
      for (const key of gone) {
        announceGone(key);
        store.remove(id, key);
      }
      for (const { type, object } of differences) {
        if (type === "RECREATED") announceGone(object.key);
      }
      differences.sort((a, b) =>
        compareResourceVersions(a.object.resourceVersion, b.object.resourceVersion)
      );
      for (const { type: difference, object } of differences) {
        store.put(id, object);
        if (!announce) continue;
        const { key, resourceVersion, body } = object;
        const change = difference === "MODIFIED" ? "MODIFIED" : "ADDED";
        hub.push(change, key, resourceVersion, false, formatFrame(change, toTypedBody(body, type)));
      }
      hub.end(head, first ? 0 : gone.size + differences.length);
    },
    abandon() {
      // What a first list left in the store is not complete, so not served; the next one finds it there
      // and removes what it does not hold itself.
    },
  };
}
