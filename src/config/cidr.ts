import * as z from "zod/mini";

/** A network: its first address and how many leading bits name it. */
export interface Network {
  family: 4 | 6;
  address: string;
  prefixLength: number;
}

/**
 * Reads `10.42.0.0/16` or `fd00::/8`.
 *
 * @param options.hostBits what bits behind the prefix mean: a slip, or the address of a host in the network
 * @throws {SyntaxError} also when bits behind the prefix are set, which is more often a slip than a wish.
 */
export function parseCidr(
  text: string,
  options: { hostBits: "refused" | "ignored" } = { hostBits: "refused" },
): Network {
  const [address = "", prefix = "", ...rest] = text.split("/");
  const family = z.regexes.ipv4.test(address) ? 4 : z.regexes.ipv6.test(address) ? 6 : undefined;
  if (family === undefined || rest.length > 0 || !/^\d{1,3}$/.test(prefix)) {
    throw new SyntaxError(`must be a network such as "10.42.0.0/16" or "fd00::/8"`);
  }
  const bits = family === 4 ? 32 : 128;
  const prefixLength = Number(prefix);
  if (prefixLength > bits) {
    throw new SyntaxError(
      `has prefix length ${prefixLength}, but an IPv${family} one is at most ${bits}`,
    );
  }
  const value = toInteger(address, family);
  const hostBits = value & ((1n << BigInt(bits - prefixLength)) - 1n);
  if (hostBits !== 0n && options.hostBits === "refused") {
    throw new SyntaxError(
      `has address bits set behind /${prefixLength}: give the network's first address`,
    );
  }
  return { family, address, prefixLength };
}

/** The text that {@linkcode parseCidr} reads. */
export function formatCidr({ address, prefixLength }: Network): string {
  return `${address}/${prefixLength}`;
}

/** Whether an address, in any spelling, is one of a network's. False for what is no address. */
export function containsAddress(network: Network, address: string): boolean {
  const { family, prefixLength } = network;
  if (!(family === 4 ? z.regexes.ipv4 : z.regexes.ipv6).test(address)) return false;
  const shift = BigInt((family === 4 ? 32 : 128) - prefixLength);
  return toInteger(address, family) >> shift === toInteger(network.address, family) >> shift;
}

/** Whether all addresses of `inner` are `outer`'s. */
export function containsNetwork(outer: Network, inner: Network): boolean {
  return outer.family === inner.family && outer.prefixLength <= inner.prefixLength &&
    containsAddress(outer, inner.address);
}

function toInteger(address: string, family: 4 | 6): bigint {
  if (family === 4) return join(address.split(".").map(Number), 8n);
  const [head = "", tail] = address.split("::");
  const left = groups(head);
  const right = groups(tail ?? "");
  return join([...left, ...Array(8 - left.length - right.length).fill(0), ...right], 16n);
}

function groups(text: string): number[] {
  return text === "" ? [] : text.split(":").map((group) => parseInt(group, 16));
}

function join(parts: number[], width: bigint): bigint {
  return parts.reduce((sum, part) => (sum << width) | BigInt(part), 0n);
}
