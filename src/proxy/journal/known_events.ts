import { formatJson, parseJson } from "../../kube/codec/json.ts";
import type { EventObject } from "../../kube/event_object.ts";
import { victimOf } from "../asks/fair_room.ts";

/**
 * The Events that were lately written, as each caller last saw them: what a patch of one is answered with,
 * and what is created again when the cloud has forgotten it. In memory: of whoever
 * takes most, the least recent goes first.
 */
export class KnownEvents {
  readonly #maxBytes: number;
  readonly #events = new Map<string, Uint8Array>();
  #bytes = 0;

  constructor(maxBytes: number = 2 * 1024 * 1024) {
    this.#maxBytes = maxBytes;
  }

  /** @param path of the Event: the two API groups show it differently */
  get(caller: string, path: string): EventObject | undefined {
    const bytes = this.#events.get(keyOf(caller, path));
    return bytes && parseJson(bytes) as EventObject;
  }

  set(caller: string, path: string, event: EventObject): void {
    const key = keyOf(caller, path);
    const bytes = formatJson(event);
    this.#bytes += bytes.length - (this.#events.get(key)?.length ?? 0);
    this.#events.delete(key);
    this.#events.set(key, bytes);
    while (this.#bytes > this.#maxBytes) {
      const entries = [...this.#events].map(([entry, { length }]) => ({
        ...{ entry, caller: entry.split("\n", 1)[0]!, amount: length },
      }));
      const victim = victimOf(entries)!;
      this.#bytes -= this.#events.get(victim)!.length;
      this.#events.delete(victim);
    }
  }
}

function keyOf(caller: string, path: string): string {
  return `${caller}\n${path}`;
}
