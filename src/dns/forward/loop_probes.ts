import { TYPE } from "../wire/record_type.ts";
import type { RandomBytes } from "./outgoing_query.ts";

/**
 * Queries for names that nobody else asks for: one that comes back to us proves that who it was sent to
 * leads to us again. Their type and form are those of CoreDNS's plugin `loop`.
 */
export class LoopProbes {
  readonly #random: RandomBytes;
  readonly #waiting = new Map<string, () => void>();

  constructor(random: RandomBytes) {
    this.#random = random;
  }

  /**
   * Makes a name in `zone` (a key) up, for who is asked for others does not matter, and calls `onReturn` if it
   * comes back while the probe is not disposed.
   */
  start(zone: string, onReturn: () => void): Disposable & { name: string } {
    const labels = `${hex(this.#random(8))}.${hex(this.#random(8))}`;
    const name = zone === "" ? labels : `${labels}.${zone}`;
    this.#waiting.set(name, onReturn);
    return { name, [Symbol.dispose]: () => void this.#waiting.delete(name) };
  }

  /** Whether a question of a client is a probe of ours that came back. */
  isReturn(name: string, type: number): boolean {
    if (type !== TYPE.HINFO) return false;
    const onReturn = this.#waiting.get(name);
    onReturn?.();
    return onReturn !== undefined;
  }
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
