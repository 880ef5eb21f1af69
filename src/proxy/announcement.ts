/** Tells everybody who listens, again and again, that something happened. */
export class Announcement {
  #next = new AbortController();

  /** Aborts at the next announcement. */
  get signal(): AbortSignal {
    return this.#next.signal;
  }

  make(): void {
    const made = this.#next;
    this.#next = new AbortController();
    made.abort();
  }
}
