/** Runs one call per key at a time; callers that come meanwhile share its outcome. */
export class Singleflight<T> {
  readonly #flights = new Map<string, Promise<T>>();

  /** The running call of `key`, or a new one made by `fn`. */
  do(key: string, fn: () => Promise<T>): Promise<T> {
    const running = this.#flights.get(key);
    if (running !== undefined) return running;
    const flight = fn().finally(() => this.#flights.delete(key));
    this.#flights.set(key, flight);
    return flight;
  }
}
