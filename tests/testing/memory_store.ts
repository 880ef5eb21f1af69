import type { StoredObject } from "../../src/kube/object_meta.ts";
import type { KeptAnswer, ScopeRow } from "../../src/proxy/store/overlay.ts";
import { DamagedError } from "../../src/proxy/store/rows.ts";
import type { Snapshot } from "../../src/proxy/store/snapshot.ts";
import type { MakeRoom } from "../../src/proxy/store/store_options.ts";
import type { Usage } from "../../src/proxy/store/state_writer.ts";
import type { StateStore } from "../../src/proxy/store/state_store.ts";

/** Everything that a {@linkcode StateStore} offers. */
type Store = Pick<StateStore, keyof StateStore>;

interface State {
  scopes: Map<number, ScopeRow>;
  items: Map<number, Map<string, StoredObject>>;
  kept: Map<string, KeptAnswer>;
}

/**
 * A {@linkcode StateStore} in memory: a small model that tells committed from changed.
 * {@linkcode MemoryStore.crash} goes back to what was committed, and drops incomplete scopes as a start does.
 */
export class MemoryStore implements Store {
  failing = false;
  replaced: () => void = () => {};
  makeRoom: MakeRoom = () => Promise.resolve(false);
  /** Scopes whose objects are sealed. */
  readonly sealed = new Set<number>();
  readonly #sliceRows: number;
  #state: State = { scopes: new Map(), items: new Map(), kept: new Map() };
  #committed: State = copy(this.#state);
  readonly #damaged = new Set<string>();

  /** @param sliceRows objects per slice of a snapshot */
  constructor(sliceRows = 64) {
    this.#sliceRows = sliceRows;
  }

  /** The store as the class that production code takes: it has private fields, so nothing else fits. */
  asStateStore(): StateStore {
    return this as unknown as StateStore;
  }

  /** What was changed so far survives a crash. */
  commit(): void {
    this.#committed = copy(this.#state);
  }

  /** Power is lost: uncommitted changes and incomplete scopes are gone. */
  crash(): void {
    for (const [id, { complete }] of this.#committed.scopes) {
      if (!complete) this.#committed.scopes.delete(id);
    }
    for (const id of this.#committed.items.keys()) {
      if (!this.#committed.scopes.has(id)) this.#committed.items.delete(id);
    }
    this.#state = copy(this.#committed);
  }

  /** The body of an object is damaged on the medium, until it is written again. */
  damage(scope: number, key: string): void {
    this.#damaged.add(`${scope} ${key}`);
  }

  scopes(): ScopeRow[] {
    return [...this.#state.scopes.values()].filter(({ complete }) => complete);
  }

  saveScope(row: ScopeRow): void {
    this.#state.scopes.set(row.id, row);
  }

  /** Every object and every answer takes a byte. */
  get usage(): Usage {
    const { items, kept } = this.#state;
    const objects = [...items.values()].reduce((sum, { size }) => sum + size, 0);
    return { usedBytes: objects + kept.size, maxBytes: Infinity };
  }

  seal(scope: number): void {
    this.sealed.add(scope);
  }

  drop(scopes: readonly number[]): Promise<boolean> {
    for (const id of scopes) {
      this.#state.scopes.delete(id);
      this.#state.items.delete(id);
    }
    return Promise.resolve(true);
  }

  evict(keys: string[]): Promise<boolean> {
    for (const key of keys) this.forget(key);
    return Promise.resolve(true);
  }

  renew(): Promise<void> {
    this.#state = { scopes: new Map(), items: new Map(), kept: new Map() };
    return Promise.resolve();
  }

  isSmall(scope: number, count: number): boolean {
    return this.#items(scope).size <= count;
  }

  put(scope: number, object: StoredObject): void {
    this.#damaged.delete(`${scope} ${object.key}`);
    this.#items(scope).set(object.key, { ...object, body: object.body.slice() });
  }

  remove(scope: number, key: string): void {
    this.#damaged.delete(`${scope} ${key}`);
    this.#items(scope).delete(key);
  }

  get(scope: number, key: string): StoredObject | undefined {
    const object = this.#items(scope).get(key);
    return object && this.#read(scope, object);
  }

  versions(scope: number): Map<string, { uid: string; resourceVersion: string }> {
    return new Map(
      [...this.#items(scope)].map(([key, { uid, resourceVersion }]) => [
        key,
        { uid, resourceVersion },
      ]),
    );
  }

  snapshot(scope: number, range: { after?: string; before?: string } = {}): Snapshot {
    const { after = "", before = "\u{10ffff}" } = range;
    const objects = [...this.#items(scope).values()]
      .filter(({ key }) => key > after && key < before)
      .sort((a, b) => (a.key < b.key ? -1 : 1));
    return {
      next: () => objects.splice(0, this.#sliceRows).map((object) => this.#read(scope, object)),
      [Symbol.dispose]: () => void objects.splice(0),
    };
  }

  keep(key: string, answer: KeptAnswer): void {
    this.#state.kept.set(key, { ...answer, body: answer.body.slice() });
  }

  forget(key: string): void {
    this.#state.kept.delete(key);
  }

  kept(key: string): KeptAnswer | undefined {
    return this.#state.kept.get(key);
  }

  keptKeys(prefix: string): string[] {
    return [...this.#state.kept.keys()].filter((key) => key.startsWith(prefix)).sort();
  }

  keptByAge(): { key: string; resourceVersion: string }[] {
    return [...this.#state.kept].sort(([, a], [, b]) => a.atMs - b.atMs)
      .map(([key, { resourceVersion }]) => ({ key, resourceVersion }));
  }

  settled(): Promise<void> {
    return Promise.resolve();
  }

  written(): Promise<boolean> {
    this.commit();
    return Promise.resolve(true);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  #items(scope: number): Map<string, StoredObject> {
    let items = this.#state.items.get(scope);
    if (items === undefined) this.#state.items.set(scope, items = new Map());
    return items;
  }

  #read(scope: number, object: StoredObject): StoredObject {
    if (this.#damaged.has(`${scope} ${object.key}`)) throw new DamagedError(object.key);
    return object;
  }
}

function copy({ scopes, items, kept }: State): State {
  return {
    scopes: new Map(scopes),
    items: new Map([...items].map(([id, each]) => [id, new Map(each)])),
    kept: new Map(kept),
  };
}
