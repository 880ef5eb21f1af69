import { parseIp } from "../wire/ip_address.ts";

/**
 * Whether hosts beyond this node and its links can send questions to an address: whoever answers them is an open
 * resolver (RFC 5358), with which others are flooded. `hostname` is an IP address; any address (`0.0.0.0`, `::`)
 * is all of a node's.
 */
export function isOpenToOthers(hostname: string): boolean {
  const bytes = parseIp(hostname) ?? [];
  const [first = 0, second = 0] = bytes;
  const isLoopback = bytes.length === 4
    ? first === 127
    : bytes.at(-1) === 1 && bytes.slice(0, -1).every((byte) => byte === 0);
  const isLinkLocal = bytes.length === 4
    ? first === 169 && second === 254
    : first === 0xfe && (second & 0xc0) === 0x80;
  return !isLoopback && !isLinkLocal;
}
