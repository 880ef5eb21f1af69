import type { Connection, Lease } from "./connection.ts";

/** kube-apiserver allows 100 streams per connection, and a queued request then waits for ever. */
const MOST = 80;
/** Fewer than that are no limit of a server's: the answer is slow. */
const FEWEST = 8;

/** How many watches a connection to a server may carry: fewer if it shows that it takes fewer. */
export class WatchLimit {
  #perConnection = MOST;

  hasRoom({ full, streams }: Connection): boolean {
    return !full && streams < this.#perConnection;
  }

  /**
   * A stream for a watch. If its answer does not begin while others are open on the connection, the server
   * takes fewer streams than expected (`--http2-max-streams-per-connection`): it is better off elsewhere.
   */
  lease(connection: Connection): Lease {
    const lease = connection.lease();
    const others = connection.streams - 1;
    return {
      ...lease,
      doubt: (sinceMs) => {
        if (others < FEWEST) return lease.doubt(sinceMs);
        connection.full = true;
        this.#perConnection = Math.min(this.#perConnection, others);
        return true;
      },
    };
  }
}
