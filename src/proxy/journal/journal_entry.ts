import { concatBytes, formatJson, parseJson } from "../../kube/codec/json.ts";

/** A write of an Event that the cloud has not seen yet. */
export interface JournalEntry {
  verb: "create" | "patch";
  /** On whose behalf it is sent: key of the caller. */
  caller: string;
  /** `namespace/name` of the Event: what must not be overtaken. Core and events.k8s.io share their objects. */
  object: string;
  /** Where it goes, percent-encoded: the collection for a create, the Event itself for a patch. */
  path: string;
  /** Without the question mark. */
  query: string;
  contentType: string;
  userAgent: string;
  /** As it is sent. */
  body: Uint8Array;
}

const NEWLINE = 0x0a;
const LINE_END = new Uint8Array([NEWLINE]);

/** An entry as it is stored: a line of JSON, then the body. */
export function formatEntry({ body, ...head }: JournalEntry): Uint8Array {
  return concatBytes([formatJson(head), LINE_END, body]);
}

/** The reverse of {@linkcode formatEntry}. @throws {SyntaxError} */
export function parseEntry(bytes: Uint8Array): JournalEntry {
  const end = bytes.indexOf(NEWLINE);
  if (end < 0) throw new SyntaxError("Cannot read a journal entry: it has no head");
  const head = parseJson(bytes.subarray(0, end)) as Partial<JournalEntry> | null;
  const { verb, caller, object, path, query, contentType, userAgent } = head ?? {};
  if (
    (verb !== "create" && verb !== "patch") || typeof caller !== "string" ||
    typeof object !== "string" || typeof path !== "string" || typeof query !== "string" ||
    typeof contentType !== "string" || typeof userAgent !== "string"
  ) {
    throw new SyntaxError("Cannot read a journal entry: its head lacks a part");
  }
  const body = bytes.subarray(end + 1);
  return { verb, caller, object, path, query, contentType, userAgent, body };
}
