/** What the first bytes of a client's connection are. */
export type Opening =
  /** More bytes are needed to tell. */
  | { kind: "wait" }
  | { kind: "known"; protocol: "h2" | "http/1.1"; bytes: Uint8Array };

/** Most that is held back to see the end of a request's head. */
const MAX_HELD_BYTES = 64 * 1024;

const encoder = new TextEncoder();
/** RFC 9113 3.4. */
const H2_PREFACE = encoder.encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const POST = encoder.encode("POST ");
const HEAD_END = encoder.encode("\r\n\r\n");

/**
 * Looks at how a connection begins. `Deno.serve` of Deno 2.9.6 answers 400 to a request that has both
 * `Upgrade` and `Content-Length`, and client-go sends every SPDY exec as `POST` with `Content-Length: 0`:
 * from such a head that one line, which says nothing, is taken out. All else is left as it is, and judged by
 * the server behind.
 */
export function readOpening(held: Uint8Array): Opening {
  if (isBeginning(held, H2_PREFACE)) {
    return held.length < H2_PREFACE.length
      ? { kind: "wait" }
      : { kind: "known", protocol: "h2", bytes: held };
  }
  const asItIs: Opening = { kind: "known", protocol: "http/1.1", bytes: held };
  if (!isBeginning(held, POST)) return asItIs;
  const end = indexOf(held, HEAD_END);
  if (end < 0) return held.length < MAX_HELD_BYTES ? { kind: "wait" } : asItIs;
  const head = latin1(held.subarray(0, end));
  const lines = head.split("\r\n");
  const framing = lines.filter((line) => /^(content-length|transfer-encoding)[ \t]*:/i.test(line));
  const upgrades = lines.some((line) => /^upgrade:/i.test(line));
  const isEmpty = framing.length === 1 && /^content-length:[ \t]*0[ \t]*$/i.test(framing[0]!);
  if (!upgrades || !isEmpty) return asItIs;
  const at = head.indexOf(`\r\n${framing[0]}`);
  const bytes = new Uint8Array(held.length - framing[0]!.length - 2);
  bytes.set(held.subarray(0, at));
  bytes.set(held.subarray(at + framing[0]!.length + 2), at);
  return { ...asItIs, bytes };
}

/** Whether the two are the same for as long as both go. */
function isBeginning(held: Uint8Array, of: Uint8Array): boolean {
  const length = Math.min(held.length, of.length);
  for (let i = 0; i < length; i++) if (held[i] !== of[i]) return false;
  return true;
}

function indexOf(bytes: Uint8Array, part: Uint8Array): number {
  const last = bytes.length - part.length;
  for (
    let at = bytes.indexOf(part[0]!);
    at >= 0 && at <= last;
    at = bytes.indexOf(part[0]!, at + 1)
  ) {
    if (isBeginning(bytes.subarray(at), part)) return at;
  }
  return -1;
}

/** A character per byte: `TextDecoder("latin1")` means windows-1252. */
function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
