/** What a {@linkcode SegmentedLru} holds of a value. */
interface Slot<V> {
  value: V;
  sizeBytes: number;
  isProtected: boolean;
}

/** Share of the room for what was asked for again. */
const PROTECTED_SHARE = 0.75;

/**
 * Values by key, bounded by bytes. What was asked for at least twice is protected: a flood of names that
 * nobody asks for again only pushes out others of its kind (Karedla et al., "Caching strategies to improve
 * disk system performance", 1994).
 */
export class SegmentedLru<V> {
  readonly #maxBytes: number;
  /** Each in the order of use, the oldest first. */
  readonly #probation = new Map<string, Slot<V>>();
  readonly #protected = new Map<string, Slot<V>>();
  #bytes = 0;
  #protectedBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#probation.size + this.#protected.size;
  }

  /** The value, which counts as used. */
  use(key: string): V | undefined {
    let slot = this.#protected.get(key);
    if (slot !== undefined) {
      this.#protected.delete(key);
      this.#protected.set(key, slot);
      return slot.value;
    }
    slot = this.#probation.get(key);
    if (slot === undefined) return undefined;
    this.#probation.delete(key);
    this.#protect(key, slot);
    return slot.value;
  }

  /** The value; looking is no use. */
  peek(key: string): V | undefined {
    return (this.#protected.get(key) ?? this.#probation.get(key))?.value;
  }

  /** Puts a value in or replaces it; others go to make room. One that takes an eighth of all is not kept. */
  set(key: string, value: V, sizeBytes: number): void {
    const wasProtected = this.#protected.has(key);
    this.delete(key);
    if (sizeBytes > this.#maxBytes / 8) return;
    const slot = { value, sizeBytes, isProtected: false };
    this.#bytes += sizeBytes;
    if (wasProtected) this.#protect(key, slot);
    else this.#probation.set(key, slot);
    while (this.#bytes > this.#maxBytes) this.#evict();
  }

  delete(key: string): boolean {
    const slot = this.#protected.get(key) ?? this.#probation.get(key);
    if (slot === undefined) return false;
    this.#bytes -= slot.sizeBytes;
    if (slot.isProtected) this.#protectedBytes -= slot.sizeBytes;
    this.#protected.delete(key);
    this.#probation.delete(key);
    return true;
  }

  /** All values, the one to go first before the others. */
  *entries(): Generator<[key: string, value: V]> {
    for (const segment of [this.#probation, this.#protected]) {
      for (const [key, { value }] of segment) yield [key, value];
    }
  }

  /** Moves a slot, which is in neither segment, to the protected one; the oldest there make room. */
  #protect(key: string, slot: Slot<V>): void {
    slot.isProtected = true;
    this.#protected.set(key, slot);
    this.#protectedBytes += slot.sizeBytes;
    while (this.#protectedBytes > this.#maxBytes * PROTECTED_SHARE) {
      const [oldest, demoted] = first(this.#protected)!;
      this.#protected.delete(oldest);
      this.#protectedBytes -= demoted.sizeBytes;
      demoted.isProtected = false;
      this.#probation.set(oldest, demoted);
    }
  }

  #evict(): void {
    const [key] = (first(this.#probation) ?? first(this.#protected))!;
    this.delete(key);
  }
}

function first<V>(map: Map<string, V>): [string, V] | undefined {
  return map.entries().next().value;
}
