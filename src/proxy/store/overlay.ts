import type { StoredObject } from "../../kube/object_meta.ts";
import type { Operation } from "./schema.ts";

/** A whole answer as kept for the time without a link. */
export interface KeptAnswer {
  status: number;
  headers: Record<string, string>;
  body: Uint8Array;
  /** Empty when the answer is not a versioned object. */
  resourceVersion: string;
  /** Wall clock when it was received, ms since the Unix epoch. */
  atMs: number;
}

/** A scope's row. */
export interface ScopeRow {
  id: number;
  key: string;
  rv: string;
  changeRv: string;
  complete: boolean;
  /** JSON of what a list of the scope says beside its items. */
  head: string;
}

/** Changes that are not known to be in the file yet, newest per key; `null` means gone. */
export class Overlay {
  /** Scopes that are forgotten; a number is never used again. */
  readonly drops = new Set<number>();
  readonly scopes = new Map<number, ScopeRow>();
  /** Scopes whose list was given up: what the file says that it adds up to is of no use any more. */
  readonly recounts = new Set<number>();
  readonly items = new Map<number, Map<string, StoredObject | null>>();
  readonly kept = new Map<string, KeptAnswer | null>();
  /** Bytes of the bodies held. */
  bytes = 0;

  get isEmpty(): boolean {
    return this.drops.size === 0 && this.scopes.size === 0 && this.items.size === 0 &&
      this.kept.size === 0;
  }

  setScope(row: ScopeRow): void {
    if (!row.complete) this.recounts.add(row.id);
    this.scopes.set(row.id, row);
  }

  setItem(scope: number, key: string, object: StoredObject | null): void {
    let items = this.items.get(scope);
    if (items === undefined) this.items.set(scope, items = new Map());
    this.bytes += (object?.body.length ?? 0) - (items.get(key)?.body.length ?? 0);
    items.set(key, object);
  }

  setKept(key: string, answer: KeptAnswer | null): void {
    this.bytes += (answer?.body.length ?? 0) - (this.kept.get(key)?.body.length ?? 0);
    this.kept.set(key, answer);
  }

  /** Forgets a scope, and what was to be written of it. */
  drop(scope: number): void {
    for (const object of this.items.get(scope)?.values() ?? []) {
      this.bytes -= object?.body.length ?? 0;
    }
    this.items.delete(scope);
    this.scopes.delete(scope);
    this.recounts.delete(scope);
    this.drops.add(scope);
  }

  /** Lays a newer overlay over this one. */
  add(newer: Overlay): void {
    for (const scope of newer.drops) this.drop(scope);
    for (const scope of newer.recounts) this.recounts.add(scope);
    for (const row of newer.scopes.values()) this.setScope(row);
    for (const [scope, items] of newer.items) {
      for (const [key, object] of items) this.setItem(scope, key, object);
    }
    for (const [key, answer] of newer.kept) this.setKept(key, answer);
  }

  /** The changes as operations of one transaction. @param sealed the scopes whose objects are sealed */
  toOperations(sealed: ReadonlySet<number>): Operation[] {
    const operations: Operation[] = [];
    // First: another scope may have its key by now.
    for (const scope of this.drops) operations.push({ op: "drop", scope });
    for (const row of this.scopes.values()) {
      const recount = this.recounts.has(row.id) && { recount: true };
      operations.push({ op: "scope", ...row, ...recount });
    }
    for (const [scope, items] of this.items) {
      for (const [key, object] of items) {
        if (object === null) {
          operations.push({ op: "remove", scope, key });
        } else {
          const { uid, resourceVersion: rv, body } = object;
          operations.push({ op: "put", scope, key, uid, rv, body, sealed: sealed.has(scope) });
        }
      }
    }
    for (const [key, answer] of this.kept) {
      if (answer === null) {
        operations.push({ op: "forget", key });
      } else {
        const { status, headers, resourceVersion: rv, atMs: at, body } = answer;
        operations.push({
          op: "keep",
          key,
          status,
          headers: JSON.stringify(headers),
          rv,
          at,
          body,
        });
      }
    }
    return operations;
  }
}
