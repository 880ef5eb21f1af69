import { AgentError } from "../../kernel/errors.ts";
import type { StoredObject } from "../../kube/object_meta.ts";
import { itemChecksum, keptChecksum, scopeChecksum, type Tally } from "./checksum.ts";
import type { KeptAnswer, ScopeRow } from "./overlay.ts";
import { itemPlace, keptPlace, SEALED, type Sealer, UnreadableError } from "./sealer.ts";

/** What is stored is not what was written, or can't be unsealed. */
export class DamagedError extends AgentError {
  readonly code = "damaged";
  /** Key of the object in its scope; empty when it is the scope as a whole. */
  readonly key: string;
  constructor(key: string, what = `The stored copy of "${key}" does not match its checksum`) {
    super(what);
    this.key = key;
  }
}

type Row = Record<string, unknown>;

/** Columns that {@linkcode toObject} reads. */
export const ITEM_COLUMNS = "scope, key, uid, rv, sum, body, form";

/** Reads a row of `items`. @throws {DamagedError} */
export function toObject(row: Row, sealer: Sealer): StoredObject {
  const place = {
    scope: Number(row.scope),
    key: String(row.key),
    uid: String(row.uid),
    rv: String(row.rv),
  };
  const form = Number(row.form);
  let body = row.body as Uint8Array;
  if (itemChecksum({ ...place, form, body }) !== Number(row.sum)) throw new DamagedError(place.key);
  if (form === SEALED) {
    try {
      body = sealer.unseal(body, itemPlace(place));
    } catch (error) {
      if (!(error instanceof UnreadableError)) throw error;
      throw new DamagedError(place.key, `The stored copy of "${place.key}" can not be unsealed`);
    }
  }
  return { key: place.key, uid: place.uid, resourceVersion: place.rv, body };
}

/** Columns that {@linkcode toKept} reads. */
export const KEPT_COLUMNS = "key, status, headers, rv, at, sum, body, form";

/** Reads a row of `kept`; undefined when it is damaged or can't be unsealed. */
export function toKept(row: Row, sealer: Sealer): KeptAnswer | undefined {
  const place = {
    key: String(row.key),
    status: Number(row.status),
    headers: String(row.headers),
    rv: String(row.rv),
    at: Number(row.at),
  };
  const form = Number(row.form);
  let body = row.body as Uint8Array;
  if (keptChecksum({ ...place, form, body }) !== Number(row.sum)) return undefined;
  if (form === SEALED) {
    try {
      body = sealer.unseal(body, keptPlace(place));
    } catch (error) {
      if (!(error instanceof UnreadableError)) throw error;
      return undefined;
    }
  }
  const { status, headers, rv: resourceVersion, at: atMs } = place;
  return { status, headers: JSON.parse(headers), body, resourceVersion, atMs };
}

/** Columns that {@linkcode toScopeRow} reads. */
export const SCOPE_COLUMNS = "id, key, rv, change_rv, complete, head, count, digest, sum";

/** Reads a row of `scopes`; undefined when it is damaged. */
export function toScopeRow(row: Row): ScopeRow & Tally | undefined {
  const scope = {
    id: Number(row.id),
    key: String(row.key),
    rv: String(row.rv),
    changeRv: String(row.change_rv),
    complete: Number(row.complete) === 1,
    head: String(row.head),
    count: Number(row.count),
    digest: Number(row.digest),
  };
  return scopeChecksum(scope) === Number(row.sum) ? scope : undefined;
}
