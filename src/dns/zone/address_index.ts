/** Which objects have an address. One holder, by far the most usual, costs no set. */
export class AddressIndex<T extends object> {
  readonly #holders = new Map<string, T | Set<T>>();

  add(address: string, holder: T): void {
    const held = this.#holders.get(address);
    if (held === undefined) this.#holders.set(address, holder);
    else if (held instanceof Set) held.add(holder);
    else if (held !== holder) this.#holders.set(address, new Set([held, holder]));
  }

  delete(address: string, holder: T): void {
    const held = this.#holders.get(address);
    if (held === holder) this.#holders.delete(address);
    else if (held instanceof Set) {
      held.delete(holder);
      const [only] = held;
      if (held.size === 1) this.#holders.set(address, only!);
    }
  }

  get(address: string): readonly T[] {
    const held = this.#holders.get(address);
    return held === undefined ? [] : held instanceof Set ? [...held] : [held];
  }
}
