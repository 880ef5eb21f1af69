/** An address as a number, with its family; `::ffff:10.0.0.1` is the IPv4 address it stands for, as in Go. */
export interface IpAddress {
  family: 4 | 6;
  value: bigint;
}

/** How many bits an address has. */
export const BITS = { 4: 32, 6: 128 } as const;

const MAPPED = 0xffffn << 32n;

/** Reads `10.0.0.1` or `fd00::1`; undefined for anything else. */
export function parseIp(text: string): IpAddress | undefined {
  if (text.length > 45) return undefined;
  if (!text.includes(":")) {
    const value = parseV4(text);
    return value === undefined ? undefined : { family: 4, value };
  }
  const value = parseV6(text);
  if (value === undefined) return undefined;
  return value >> 32n === MAPPED >> 32n
    ? { family: 4, value: value & 0xffffffffn }
    : { family: 6, value };
}

function parseV4(text: string): bigint | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let value = 0n;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = value << 8n | BigInt(part);
  }
  return value;
}

function parseV6(text: string): bigint | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [left, right] = halves.map((half) => half === "" ? [] : half.split(":"));
  const tail = right ?? left!;
  const last = tail.at(-1);
  if (last?.includes(".")) {
    const value = parseV4(last);
    if (value === undefined) return undefined;
    tail.splice(-1, 1, (value >> 16n).toString(16), (value & 0xffffn).toString(16));
  }
  const written = left!.length + (right?.length ?? 0);
  if (right === undefined ? written !== 8 : written > 7) return undefined;
  const groups = [...left!, ...Array<string>(8 - written).fill("0"), ...right ?? []];
  let value = 0n;
  for (const group of groups) {
    if (!/^[0-9a-f]{1,4}$/i.test(group)) return undefined;
    value = value << 16n | BigInt(`0x${group}`);
  }
  return value;
}

/** The one spelling that Go's `net.IP.String` gives, which is how host-local names its files (RFC 5952). */
export function formatIp({ family, value }: IpAddress): string {
  if (family === 4) {
    return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join(".");
  }
  const groups = Array.from({ length: 8 }, (_, i) => (value >> BigInt(112 - 16 * i)) & 0xffffn);
  let from = -1;
  let longest = 1;
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (groups[i + length] === 0n) length++;
    if (length > longest) [from, longest] = [i, length];
  }
  const hex = groups.map((group) => group.toString(16));
  if (from < 0) return hex.join(":");
  return `${hex.slice(0, from).join(":")}::${hex.slice(from + longest).join(":")}`;
}
