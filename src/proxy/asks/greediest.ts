/**
 * Whose entries make room when something that all callers share is full: the one who takes most of it. One pod
 * must not push out what the kubelet needs, so the node's identities together keep half against all others.
 *
 * @param shares what each caller takes, by its key
 * @returns undefined when nobody takes anything
 */
export function greediest(shares: ReadonlyMap<string, number>): string | undefined {
  const all = [...shares];
  const own = all.filter(([caller]) => caller.startsWith("identity:"));
  const others = all.filter(([caller]) => !caller.startsWith("identity:"));
  const [first] = sum(others) >= sum(own) ? others.sort(most) : own.sort(most);
  return first?.[0];
}

type Share = readonly [caller: string, amount: number];

const most = ([, a]: Share, [, b]: Share) => b - a;

const sum = (shares: readonly Share[]) => shares.reduce((total, [, amount]) => total + amount, 0);

/** What each caller takes. @param entries of a caller each, with what it takes */
export function sharesOf(entries: Iterable<Share>): Map<string, number> {
  const shares = new Map<string, number>();
  for (const [caller, amount] of entries) shares.set(caller, (shares.get(caller) ?? 0) + amount);
  return shares;
}
