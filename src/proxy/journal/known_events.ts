import { formatJson, parseJson } from "../../kube/codec/json.ts";
import type { EventObject } from "../../kube/event_object.ts";
import { greediest, sharesOf } from "../asks/greediest.ts";

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
      const owned = [...this.#events].map(([key, { length }]) => ({
        key,
        length,
        caller: ownerOf(key),
      }));
      const victim = greediest(sharesOf(owned.map(({ caller, length }) => [caller, length])));
      const oldest = owned.find(({ caller }) => caller === victim)!;
      this.#events.delete(oldest.key);
      this.#bytes -= oldest.length;
    }
  }
}

function keyOf(caller: string, path: string): string {
  return `${caller}\n${path}`;
}

function ownerOf(key: string): string {
  return key.split("\n", 1)[0]!;
}
