/** Heads of HTTP/1.1 messages as bytes (RFC 9112), for connections that leave HTTP. */

/** Most that is read of a head: kube-apiserver takes 1 MiB, its own are some hundred bytes. */
export const MAX_HEAD_BYTES: number = 64 * 1024;

/** Names as they came, in their order. */
export type HeaderLines = readonly (readonly [name: string, value: string])[];

/** The head of an answer. */
export interface ResponseHead {
  status: number;
  statusText: string;
  headers: HeaderLines;
}

/** RFC 9110 5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** RFC 9110 5.5: visible characters, obs-text, space and tab. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Length of the head that `bytes` begin with, the empty line included; undefined while it is not whole. */
export function headLength(bytes: Uint8Array): number | undefined {
  for (let at = bytes.indexOf(CR); at >= 0; at = bytes.indexOf(CR, at + 1)) {
    if (bytes[at + 1] === LF && bytes[at + 2] === CR && bytes[at + 3] === LF) return at + 4;
  }
  return undefined;
}

const [CR, LF] = [13, 10];

/** @throws {SyntaxError} when the bytes are no head of an HTTP/1.1 answer */
export function parseResponseHead(bytes: Uint8Array): ResponseHead {
  const [start = "", ...lines] = toLatin1(bytes).replace(/\r\n\r\n$/, "").split("\r\n");
  const match = /^HTTP\/1\.[01] ([1-9]\d\d)(?: (.*))?$/.exec(start);
  if (match === null) {
    throw new SyntaxError(
      `Cannot read an answer: it begins with ${JSON.stringify(start.slice(0, 80))}`,
    );
  }
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(":");
    const [name, value] = [line.slice(0, Math.max(0, colon)), line.slice(colon + 1)];
    const header: [string, string] = [name, value.replace(/^[ \t]+|[ \t]+$/g, "")];
    checkHeader(header);
    return header;
  });
  return { status: Number(match[1]), statusText: match[2] ?? "", headers };
}

/** @throws {SyntaxError} when a part would break out of its line */
export function formatHead(start: string, headers: HeaderLines): Uint8Array {
  if (!VALUE.test(start)) {
    throw new SyntaxError(`Cannot write ${JSON.stringify(start)} into a head`);
  }
  let text = `${start}\r\n`;
  for (const header of headers) {
    checkHeader(header);
    text += `${header[0]}: ${header[1]}\r\n`;
  }
  return fromLatin1(`${text}\r\n`);
}

/** The values of a header, by its name in any case. */
export function valuesOf(headers: HeaderLines, name: string): string[] {
  return headers.filter(([each]) => each.toLowerCase() === name).map(([, value]) => value);
}

function checkHeader([name, value]: readonly [string, string]): void {
  if (TOKEN.test(name) && VALUE.test(value)) return;
  // Its value may be a secret.
  throw new SyntaxError(
    `Cannot take the header ${JSON.stringify(name.slice(0, 80))}: it is malformed`,
  );
}

/** A character per byte: `TextDecoder("latin1")` means windows-1252. */
export function toLatin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

function fromLatin1(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}
