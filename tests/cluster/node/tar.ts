/**
 * Writing tar archives: the few files of a container image.
 *
 * @module
 */

/** A member of an archive: a file, a directory or a symbolic link. */
export type TarEntry =
  | { readonly path: string; readonly mode: number; readonly content: Uint8Array }
  | { readonly path: string; readonly mode: number }
  | { readonly path: string; readonly target: string };

const BLOCK_BYTES = 512;
/** Of the header's fields that we fill: offset and length (POSIX.1-1988 ustar). */
const FIELD = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  linkname: [157, 100],
  magic: [257, 8],
} as const;

/** The archive's bytes; always the same for the same entries. */
export function tarOf(entries: readonly TarEntry[]): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  for (const entry of entries) {
    const content = "content" in entry ? entry.content : new Uint8Array();
    const padding = (BLOCK_BYTES - content.length % BLOCK_BYTES) % BLOCK_BYTES;
    parts.push(headerOf(entry, content.length), content, new Uint8Array(padding));
  }
  // Two empty blocks end an archive.
  parts.push(new Uint8Array(2 * BLOCK_BYTES));
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function headerOf(entry: TarEntry, sizeBytes: number): Uint8Array {
  const header = new Uint8Array(BLOCK_BYTES);
  const set = (field: keyof typeof FIELD, value: string) => {
    const [offset, length] = FIELD[field];
    const bytes = new TextEncoder().encode(value);
    if (bytes.length > length) {
      throw new RangeError(`Cannot put ${JSON.stringify(value)} into ${length} bytes of ${field}`);
    }
    header.set(bytes, offset);
  };
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, "0");
  const isLink = "target" in entry;
  const isDirectory = !isLink && !("content" in entry);
  set("name", isDirectory ? `${entry.path}/` : entry.path);
  set("mode", octal(isLink ? 0o777 : entry.mode, 7));
  set("uid", octal(0, 7));
  set("gid", octal(0, 7));
  set("size", octal(sizeBytes, 11));
  set("mtime", octal(0, 11));
  set("type", isLink ? "2" : isDirectory ? "5" : "0");
  set("linkname", isLink ? entry.target : "");
  set("magic", "ustar\0" + "00");
  // Counted with the field itself filled with spaces.
  set("checksum", " ".repeat(8));
  const sum = header.reduce((total, byte) => total + byte, 0);
  set("checksum", `${octal(sum, 6)}\0 `);
  return header;
}
