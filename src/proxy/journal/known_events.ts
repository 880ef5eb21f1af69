import { formatJson, parseJson } from "../../kube/codec/json.ts";
import type { EventObject } from "../../kube/event_object.ts";

/**
 * The Events that were lately written, as each caller last saw them: what a patch of one is answered with,
 * and what is created again when the cloud has forgotten it. In memory, the least recent goes first.
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
    for (const [oldest, { length }] of this.#events) {
      if (this.#bytes <= this.#maxBytes) return;
      this.#events.delete(oldest);
      this.#bytes -= length;
    }
  }
}

function keyOf(caller: string, path: string): string {
  return `${caller}\n${path}`;
}
