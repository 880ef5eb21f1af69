import { errorMessage } from "../../kernel/errors.ts";
import { isFullDisk } from "../../platform/sqlite.ts";
import { FileWriter } from "./file_writer.ts";
import type { SetAside } from "./open_state.ts";
import type { Salvaged } from "./salvage.ts";
import type { Operation } from "./schema.ts";

/**
 * The one writer of `state.db`, in a Worker: a disk that takes 400 ms for an fsync would otherwise stall
 * every watch for as long.
 */

/** Name by which the Worker knows what it is: the main thread loads this file too. */
export const STATE_WRITER = "edge-agent-state-writer";

/** Main thread to writer. Each is answered once, in order. */
export type WriterRequest =
  /** @param secret what the key for sealing is made of */
  | { type: "open"; path: string; secret: Uint8Array; maxBytes: number; anew: boolean }
  /** @param bodies the buffer that all bodies are views of, if it is the writer's own */
  | { type: "batch"; operations: Operation[]; bodies?: ArrayBuffer }
  /** Deletes some objects of forgotten scopes. */
  | { type: "sweep" }
  /** Forgets these kept answers. */
  | { type: "forget"; keys: string[] }
  /** A read found the file damaged: it is looked at, and replaced if that is so. */
  | { type: "heal" }
  /** The successor has taken the place of the damaged file: what is sent from now on fits it. */
  | { type: "succeed" }
  /** Nothing happens at the moment: time to tidy up. */
  | { type: "tidy" }
  /** The file is of another cluster: it is moved away, a new one begins. */
  | { type: "renew"; reason: string }
  | { type: "close" };

/** Writer to main thread. */
export type WriterReply =
  | { type: "opened"; setAside?: SetAside; unreadable: number; usage: Usage }
  | { type: "done"; usage: Usage; hasLeftovers: boolean }
  /** The file is damaged; a successor has what still adds up. Nothing else was done. */
  | ({ type: "damaged"; reason: string } & Salvaged)
  | { type: "failed"; message: string; full: boolean }
  | { type: "closed" };

/** Room that the objects and answers take in the file, and may take. */
export interface Usage {
  usedBytes: number;
  maxBytes: number;
}

/** Starts the Worker: this file; of a bundled program, its own bundle, as all of it would take 5 MB more. */
export function spawnStateWriter(): Worker {
  const file = import.meta.url.endsWith(".ts") ? "state_writer.ts" : "state_writer.js";
  return new Worker(new URL(file, import.meta.url), { type: "module", name: STATE_WRITER });
}

/** The Worker's side: answers the requests in their order. */
export function serveStateWriter(
  port: { onmessage: unknown; postMessage(reply: WriterReply): void },
): void {
  let writer: FileWriter | undefined;
  const answer = (request: WriterRequest): WriterReply => {
    switch (request.type) {
      case "open":
        writer?.[Symbol.dispose]();
        writer = new FileWriter(request);
        return writer.opened;
      case "batch":
        return writer!.batch(request.operations);
      case "sweep":
        return writer!.sweep();
      case "forget":
        return writer!.forget(request.keys);
      case "heal":
        return writer!.heal();
      case "succeed":
        return writer!.succeed();
      case "tidy":
        return writer!.tidy();
      case "renew":
        return writer!.renew(request.reason);
      case "close":
        writer?.[Symbol.dispose]();
        return { type: "closed" };
      default:
        return request satisfies never;
    }
  };
  port.onmessage = ({ data }: MessageEvent<WriterRequest>) => {
    let reply: WriterReply;
    try {
      reply = answer(data);
    } catch (error) {
      reply = { type: "failed", message: errorMessage(error), full: isFullDisk(error) };
    }
    port.postMessage(reply);
    // Given back now: this heap is so small that its garbage would be collected late.
    if (data.type === "batch") data.bodies?.transfer(0);
  };
}

// A Worker's module is its main program: this is its start. Elsewhere the name is another one.
if ((globalThis as { name?: unknown }).name === STATE_WRITER) {
  serveStateWriter(globalThis as unknown as Parameters<typeof serveStateWriter>[0]);
}
