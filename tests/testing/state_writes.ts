import type { Operation } from "../../src/proxy/store/schema.ts";
import {
  serveStateWriter,
  type WriterReply,
  type WriterRequest,
} from "../../src/proxy/store/state_writer.ts";
import { utf8 } from "./arbitraries.ts";
import { MAX_BYTES, SECRET } from "./state_file.ts";
import { scopeRow } from "./state_store_contract.ts";

/** Objects of the one scope. */
export const OBJECTS = 100;

/** One state of a scope: every object at the version of the scope. */
export function batch(version: number): Operation[] {
  const rv = String(version);
  return [
    ...Array.from({ length: OBJECTS }, (_, i): Operation => ({
      op: "put",
      scope: 1,
      key: `k${i}`,
      uid: "u",
      rv,
      body: utf8(rv.repeat(200)),
      sealed: i % 2 === 0,
    })),
    { op: "scope", ...scopeRow(1, rv) },
  ];
}

/** Writes one version after the other, and tells of each that was acknowledged, until it is killed. */
function writeUntilKilled(path: string, from: number): void {
  const port = {
    onmessage: (_: { data: WriterRequest }) => {},
    postMessage(reply: WriterReply) {
      if (reply.type === "failed") throw new Error(reply.message);
    },
  };
  serveStateWriter(port);
  const open = { path, secret: SECRET, maxBytes: MAX_BYTES, anew: false };
  port.onmessage({ data: { type: "open", ...open } });
  for (let version = from;; version++) {
    port.onmessage({ data: { type: "batch", operations: batch(version) } });
    Deno.stdout.writeSync(utf8(`${version}\n`));
  }
}

if (import.meta.main) writeUntilKilled(Deno.args[0]!, Number(Deno.args[1]));
