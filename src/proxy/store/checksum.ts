import { crc32 } from "node:zlib";
import type { Operation } from "./schema.ts";

/**
 * Checksums of rows: SQLite pages carry none, so damage on the medium would go unseen. They cover every
 * column, for a damaged version or key does as much harm as a damaged body.
 */

type Field = string | number;

/** CRC-32 of the columns of a row, and of its body. */
function checksum(fields: readonly Field[], body: Uint8Array = EMPTY): number {
  // JSON keeps neighbouring columns apart.
  return crc32(body, crc32(JSON.stringify(fields)));
}

const EMPTY = new Uint8Array(0);

/** Of a row of `items`; `body` as it lies in the file. */
export function itemChecksum(
  row: { scope: number; key: string; uid: string; rv: string; form: number; body: Uint8Array },
): number {
  return checksum([row.scope, row.key, row.uid, row.rv, row.form], row.body);
}

/** Of a row of `kept`; `body` as it lies in the file. */
export function keptChecksum(
  { key, status, headers, rv, at, form, body }:
    & Omit<Operation & { op: "keep" }, "op">
    & { form: number },
): number {
  return checksum([key, status, headers, rv, at, form], body);
}

/** How many objects a scope holds, and the sum of their checksums modulo 2^32. */
export interface Tally {
  count: number;
  digest: number;
}

/** Of a row of `scopes`. */
export function scopeChecksum(
  { id, key, rv, changeRv, complete, head, count, digest }:
    & Omit<Operation & { op: "scope" }, "op">
    & Tally,
): number {
  return checksum([id, key, rv, changeRv, complete ? 1 : 0, head, count, digest]);
}

/** Takes a row's checksum into a tally, or (`sign` -1) out of it. */
export function addToTally(tally: Tally, sum: number, sign: 1 | -1): Tally {
  return { count: tally.count + sign, digest: (tally.digest + sign * sum) >>> 0 };
}
