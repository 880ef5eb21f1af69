/** What a client may have of all that is under way at most. */
const SHARE = 0.25;
/** But at least so many questions, where there is room for few only. */
const MIN_SHARE = 8;

/** Counts questions under way by client, so that one alone can't take all the room from the others. */
export class ClientShares {
  readonly #most: number;
  /** Those with questions under way alone. */
  readonly #counts = new Map<string, number>();

  /** @param maxConcurrent questions under way at a time, of all clients */
  constructor(maxConcurrent: number) {
    this.#most = Math.max(MIN_SHARE, Math.ceil(maxConcurrent * SHARE));
  }

  /** Counts one more question of a client, an IP address; false, and none more, when it has its share. */
  take(client: string): boolean {
    const count = this.#counts.get(client) ?? 0;
    if (count >= this.#most) return false;
    this.#counts.set(client, count + 1);
    return true;
  }

  /** One of a client's questions is over. */
  give(client: string): void {
    const count = this.#counts.get(client) ?? 0;
    if (count > 1) this.#counts.set(client, count - 1);
    else this.#counts.delete(client);
  }

  /** Clients with questions under way. */
  get size(): number {
    return this.#counts.size;
  }
}
