/** IP addresses as the bytes of A and AAAA records and as text. */

/**
 * The 4 or 16 bytes of an address; undefined for what is none. An IPv6 address that maps an IPv4 one has
 * 4, as in Go's `net.IP.To4`, so that both ends of a comparison agree.
 */
export function parseIp(text: string): number[] | undefined {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

function parseIpv4(text: string): number[] | undefined {
  const bytes: number[] = [];
  let [value, digits] = [0, 0];
  for (let i = 0; i <= text.length; i++) {
    const code = i === text.length ? 0x2e : text.charCodeAt(i);
    if (code === 0x2e) {
      if (digits === 0) return undefined;
      bytes.push(value);
      [value, digits] = [0, 0];
    } else {
      // No leading zeros: some read them as octal.
      if (code < 0x30 || code > 0x39 || (digits > 0 && value === 0)) return undefined;
      value = value * 10 + code - 0x30;
      digits++;
      if (value > 255) return undefined;
    }
  }
  return bytes.length === 4 ? bytes : undefined;
}

function parseIpv6(text: string): number[] | undefined {
  const sides = text.split("::");
  if (sides.length > 2) return undefined;
  const [left, right] = [groupsOf(sides[0]!, sides.length === 1), groupsOf(sides[1] ?? "", true)];
  if (left === undefined || right === undefined) return undefined;
  const missing = 16 - left.length - right.length;
  if (sides.length === 1 ? missing !== 0 : missing < 2) return undefined;
  const bytes = [...left, ...new Array<number>(missing).fill(0), ...right];
  return isMapped(bytes) ? bytes.slice(12) : bytes;
}

/** Bytes of `2001:db8`, and where that is the end of the address of `ffff:10.0.0.1`. */
function groupsOf(text: string, isEnd: boolean): number[] | undefined {
  if (text === "") return [];
  const bytes: number[] = [];
  const groups = text.split(":");
  for (const [i, group] of groups.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(group)) {
      const value = parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
      continue;
    }
    const v4 = isEnd && i === groups.length - 1 ? parseIpv4(group) : undefined;
    if (v4 === undefined) return undefined;
    bytes.push(...v4);
  }
  return bytes;
}

function isMapped(bytes: ArrayLike<number>): boolean {
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false;
  return bytes[10] === 0xff && bytes[11] === 0xff;
}

/** The one text of an address of 4 or 16 bytes (RFC 5952). */
export function formatIp(bytes: ArrayLike<number>): string {
  if (bytes.length === 4) return Array.from(bytes).join(".");
  if (isMapped(bytes)) return `::ffff:${Array.from(bytes).slice(12).join(".")}`;
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! << 8) | bytes[2 * i + 1]!);
  // The longest run of at least two zeros, the first of equal ones.
  let [start, length] = [-1, 1];
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && groups[end] === 0) end++;
    if (end - i > length) [start, length] = [i, end - i];
    i = Math.max(i, end - 1);
  }
  const hex = (part: number[]) => part.map((group) => group.toString(16)).join(":");
  return start < 0
    ? hex(groups)
    : `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}`;
}
