import { type Encoding, formatItemFrame, toStoredObject } from "../../kube/codec/encoding.ts";
import type { ListHead } from "../../kube/codec/list.ts";
import { itemTypeOf, type StoredObject } from "../../kube/object_meta.ts";
import type { Replacement } from "../../kube/reflector.ts";
import { compareResourceVersions } from "../../kube/resource_version.ts";
import type { WindowEvent } from "./event_window.ts";
import type { ScopeContent } from "./scope_content.ts";
import { DamagedError } from "../store/rows.ts";

/** The side of a hub that a new list changes. */
export interface HubReplacement {
  content: ScopeContent;
  encoding: Encoding;
  /** Version of the content before; empty if there was none. */
  resourceVersion: string;
  /** False once a later replacement was begun: this one is forgotten. */
  isLatest(): boolean;
  /** The list is whole; tells whether watchers are sent the difference or must begin anew. */
  begin(head: ListHead): "difference" | "restart";
  push(event: WindowEvent): void;
  /** Watchers must begin anew after all. */
  restart(resourceVersion: string): void;
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
  const { content, encoding } = hub;
  const first = hub.resourceVersion === "";
  const before = content.versions();
  const gone = new Set(before.keys());
  const differences: Difference[] = [];
  return {
    async add(items) {
      if (!hub.isLatest()) return;
      for (const item of items) {
        const object = toStoredObject(encoding, item);
        gone.delete(object.key);
        const old = before.get(object.key);
        if (old?.uid === object.uid && old.resourceVersion === object.resourceVersion) continue;
        if (first) {
          content.put(object);
          continue;
        }
        const type = old === undefined
          ? "ADDED"
          : old.uid === object.uid
          ? "MODIFIED"
          : "RECREATED";
        differences.push({ type, object: { ...object, body: object.body.slice() } });
      }
      await content.settled();
    },
    commit(head) {
      if (!hub.isLatest()) return;
      let announce = hub.begin(head) === "difference" && !first;
      const type = itemTypeOf(head);
      const read = (key: string) => {
        try {
          return content.get(key);
        } catch (error) {
          if (!(error instanceof DamagedError)) throw error;
          hub.restart(head.resourceVersion);
          announce = false;
        }
      };
      // Stamped with the version before: a watcher that is ahead of it is told 410 instead.
      const announceGone = (key: string) => {
        const old = announce ? read(key) : undefined;
        if (old === undefined) return;
        // Nobody watches the rows of a Table: their frames only tell the agent itself.
        const object = head.kind === "Table" ? old.body : encoding.stampResourceVersion(
          encoding.toTypedBody(old.body, type),
          hub.resourceVersion,
        );
        const frame = encoding.formatFrame("DELETED", object);
        const { resourceVersion } = hub;
        hub.push({ type: "DELETED", key, resourceVersion, foundGone: true, frame });
      };
      for (const key of gone) {
        announceGone(key);
        content.remove(key);
      }
      for (const { type, object } of differences) {
        if (type === "RECREATED") announceGone(object.key);
      }
      differences.sort((a, b) =>
        compareResourceVersions(a.object.resourceVersion, b.object.resourceVersion)
      );
      for (const { type: difference, object } of differences) {
        const { key, resourceVersion, body } = object;
        const change = difference === "MODIFIED" ? "MODIFIED" : "ADDED";
        const previous = announce && change === "MODIFIED" ? read(key)?.body : undefined;
        content.put(object);
        if (!announce) continue;
        const frame = formatItemFrame(encoding, change, body, type);
        hub.push({ type: change, key, resourceVersion, frame, previous });
      }
      hub.end(head, first ? 0 : gone.size + differences.length);
    },
    abandon() {
      // What a first list left in the store is not complete, so not served; the next one finds it there
      // and removes what it does not hold itself.
    },
  };
}
