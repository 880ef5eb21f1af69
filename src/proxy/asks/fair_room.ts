/** Whoever shares one account: the node's identities all together, every other caller alone. */
function accountOf(caller: string): string {
  return caller.startsWith("identity:") ? NODE : caller;
}

const NODE = "identity";

/** Something kept, and whose. */
export interface Entry<T> {
  entry: T;
  /** Key of the caller. */
  caller: string;
  /** Room that it takes. */
  amount: number;
}

/**
 * What makes room when something that all callers share is full: the oldest entry of whoever takes most of it. One
 * pod must not push out what the kubelet needs, so the node's identities keep half against all others together.
 *
 * @param entries oldest first
 * @returns undefined when there is none
 */
export function victimOf<T>(entries: readonly Entry<T>[]): T | undefined {
  const shares = new Map<string, number>();
  for (const { caller, amount } of entries) {
    const account = accountOf(caller);
    shares.set(account, (shares.get(account) ?? 0) + amount);
  }
  const own = shares.get(NODE) ?? 0;
  shares.delete(NODE);
  const others = [...shares].sort(([, a], [, b]) => b - a);
  const total = others.reduce((sum, [, amount]) => sum + amount, 0);
  const greediest = own > total ? NODE : others[0]?.[0];
  return entries.find(({ caller }) => accountOf(caller) === greediest)?.entry;
}
