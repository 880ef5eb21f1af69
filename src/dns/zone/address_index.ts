/** Which objects have an address. One holder, by far the most usual, costs no array. */
export class AddressIndex<T extends object> {
  readonly #holders = new Map<string, T | T[]>();

  add(address: string, holder: T): void {
    const held = this.#holders.get(address);
    if (held === undefined) this.#holders.set(address, holder);
    else if (!Array.isArray(held)) {
      if (held !== holder) this.#holders.set(address, [held, holder]);
    } else if (!held.includes(holder)) held.push(holder);
  }

  delete(address: string, holder: T): void {
    const held = this.#holders.get(address);
    if (held === holder) this.#holders.delete(address);
    else if (Array.isArray(held)) {
      const others = held.filter((each) => each !== holder);
      this.#holders.set(address, others.length === 1 ? others[0]! : others);
    }
  }

  get(address: string): readonly T[] {
    const held = this.#holders.get(address);
    return held === undefined ? [] : Array.isArray(held) ? held : [held];
  }
}
