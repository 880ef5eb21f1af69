import { formatIp, parseIp } from "../wire/ip_address.ts";

const IPV4 = ".in-addr.arpa";
const IPV6 = ".ip6.arpa";

/** Whether a key is a name of the reverse trees. */
export function isReverse(name: string): boolean {
  return name.endsWith(IPV4) || name.endsWith(IPV6);
}

/** The address whose reverse name (RFC 1035 3.5, RFC 3596 2.5) a key is; undefined for no whole one. */
export function addressOfReverse(name: string): string | undefined {
  if (name.endsWith(IPV4)) {
    const text = name.slice(0, -IPV4.length).split(".").reverse().join(".");
    return parseIp(text)?.length === 4 ? text : undefined;
  }
  if (!name.endsWith(IPV6)) return undefined;
  const nibbles = name.slice(0, -IPV6.length).split(".").reverse();
  if (nibbles.length !== 32 || !nibbles.every((nibble) => /^[0-9a-f]$/.test(nibble))) {
    return undefined;
  }
  return formatIp(
    Array.from({ length: 16 }, (_, i) => parseInt(nibbles[2 * i]! + nibbles[2 * i + 1]!, 16)),
  );
}

/** The reverse name of an address. */
export function reverseNameOf(address: string): string {
  const bytes = parseIp(address);
  if (bytes === undefined) throw new SyntaxError(`Cannot reverse "${address}": it is no address`);
  if (bytes.length === 4) return bytes.reverse().join(".") + IPV4;
  const hex = bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [...hex].reverse().join(".") + IPV6;
}
