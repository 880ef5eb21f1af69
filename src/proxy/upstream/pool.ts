import type { Connection } from "./connection.ts";

/** The connections of one credential to one server. */
export interface Pool {
  /** Of the credential. */
  version: number;
  /** Made when first used. */
  short?: Connection;
  list?: Connection;
  /** One body at a time: a client that pauses in the middle blocks its connection's window. */
  paced: Connection[];
  watches: Connection[];
  streams: Set<Connection>;
}

/** An empty one. */
export function createPool(version: number): Pool {
  return { version, paced: [], watches: [], streams: new Set() };
}

/** All that are open. */
export function connectionsOf({ short, list, paced, watches, streams }: Pool): Connection[] {
  const single = [short, list].filter((each) => each !== undefined);
  return [...single, ...paced, ...watches, ...streams].filter(({ isClosed }) => !isClosed);
}

/** Forgets those that were given up. */
export function prune(list: Connection[]): void {
  for (let i = list.length - 1; i >= 0; i--) if (list[i]!.isClosed) list.splice(i, 1);
}
