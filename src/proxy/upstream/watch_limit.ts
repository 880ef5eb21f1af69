import type { Connection, Lease } from "./connection.ts";

/** kube-apiserver allows 100 streams per connection, and a queued request then waits for ever. */
const MOST = 80;
/** Fewer than that are no limit of a server's: the answer is slow. */
const FEWEST = 8;

/** A request waits in vain on a connection that takes no more streams; another connection may have room. */
export class FullConnectionError extends Error {
  override readonly name = "FullConnectionError";

  constructor() {
    super("the connection takes no more streams");
  }
}

/** How many watches a connection to a server may carry: fewer if it shows that it takes fewer. */
export class WatchLimit {
  #perConnection = MOST;

  hasRoom({ full, streams }: Connection): boolean {
    return !full && streams < this.#perConnection;
  }

  /**
   * A stream for a watch. If its answer does not begin though those of others on the connection have, the
   * server takes fewer streams than expected (`--http2-max-streams-per-connection`): it is better off
   * elsewhere. How many had come before it says nothing: a refused stream is sent again behind the others.
   */
  lease(connection: Connection): Lease {
    const lease = connection.lease();
    return {
      ...lease,
      doubt: (sinceMs) => {
        const { answered, full } = connection;
        if (!full && answered >= FEWEST) {
          connection.full = true;
          this.#perConnection = Math.min(this.#perConnection, answered);
        }
        lease.doubt(sinceMs);
        return connection.full;
      },
    };
  }
}
