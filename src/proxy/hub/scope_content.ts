import { objectKey, type StoredObject } from "../../kube/object_meta.ts";
import { formatScope, type Scope } from "./scope.ts";
import type { ScopeRow } from "../store/overlay.ts";
import type { ChangeType } from "../../kube/watch_event.ts";
import { DamagedError } from "../store/rows.ts";
import { isSealedResource } from "../store/sealer.ts";
import type { Snapshot } from "../store/snapshot.ts";
import type { StateStore } from "../store/state_store.ts";

/** The part of the store that belongs to one scope. */
export class ScopeContent {
  readonly #store: StateStore;
  readonly #id: number;
  readonly #key: string;
  #retired = false;

  constructor(store: StateStore, id: number, scope: Scope) {
    this.#store = store;
    this.#id = id;
    this.#key = formatScope(scope);
    if (isSealedResource(scope)) store.seal(id);
  }

  /** Its number in the store. */
  get id(): number {
    return this.#id;
  }

  /** The scope was forgotten: whoever still writes to it writes to nowhere. */
  retire(): void {
    this.#retired = true;
  }

  /** The objects right now. @throws {DamagedError} */
  snapshot(range: { after?: string; before?: string } = {}): Snapshot {
    return this.#store.snapshot(this.#id, range);
  }

  /** Key -> version of every object. @throws {DamagedError} when some are missing */
  versions(): Map<string, { uid: string; resourceVersion: string }> {
    return this.#store.versions(this.#id);
  }

  /** One object as it lies in a list. @throws {DamagedError} */
  get(key: string): StoredObject | undefined {
    return this.#store.get(this.#id, key);
  }

  /** One object by its name; the empty namespace for cluster-scoped ones. @throws {DamagedError} */
  named(namespace: string, name: string): StoredObject | undefined {
    return this.get(objectKey(namespace, name));
  }

  put(object: StoredObject): void {
    if (!this.#retired) this.#store.put(this.#id, object);
  }

  remove(key: string): void {
    if (!this.#retired) this.#store.remove(this.#id, key);
  }

  /**
   * Takes a change of an object.
   *
   * @param lost told that what the object was before is damaged: who sees only some objects must begin anew
   * @returns what a MODIFIED one was before
   */
  change(type: ChangeType, object: StoredObject, lost: () => void): Uint8Array | undefined {
    let previous: Uint8Array | undefined;
    try {
      if (type === "MODIFIED") previous = this.get(object.key)?.body;
    } catch (error) {
      if (!(error instanceof DamagedError)) throw error;
      lost();
    }
    if (type === "DELETED") this.remove(object.key);
    else this.put(object);
    return previous;
  }

  /** Removes every object that can be found. (A file that SQLite can't read is set aside as a whole.) */
  clear(): void {
    try {
      for (const key of this.versions().keys()) this.remove(key);
    } catch (error) {
      if (!(error instanceof DamagedError)) throw error;
    }
  }

  /** Whether there are at most `count` objects. */
  isSmall(count: number): boolean {
    return this.#store.isSmall(this.#id, count);
  }

  /** Resolves when little is unwritten. */
  settled(): Promise<void> {
    return this.#store.settled();
  }

  /** Saves how far the objects go. @param options see {@linkcode StateStore.saveScope} */
  save(row: Omit<ScopeRow, "id" | "key">, options?: { lazy?: boolean }): void {
    if (this.#retired) return;
    this.#store.saveScope({ id: this.#id, key: this.#key, ...row }, options);
  }
}
