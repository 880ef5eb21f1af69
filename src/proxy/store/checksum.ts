import { crc32 } from "node:zlib";

/** CRC-32 of a body: SQLite pages carry no checksum, so damage on the medium would go unseen. */
export function checksum(body: Uint8Array): number {
  return crc32(body);
}
