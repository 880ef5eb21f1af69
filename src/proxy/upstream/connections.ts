import { parseAuthorities } from "../../platform/client_certificate.ts";
import { createHttpClient, type HttpClient } from "../../platform/net.ts";
import { Connection, type ConnectionProbe, type Lease } from "./connection.ts";
import type { Credential } from "./credentials.ts";
import { connectionsOf, createPool, type Pool, prune } from "./pool.ts";
import { WatchLimit } from "./watch_limit.ts";

/** Where the cloud is and how it is trusted. */
export interface UpstreamServer {
  /** `https://host:port`, without a slash at the end. */
  url: string;
  /** PEM; undefined trusts the system's authorities. */
  ca(): Promise<string | undefined>;
}

/** What a request is for: kinds of traffic that must not hold each other up. */
export type Purpose = "short" | "list" | "watch" | "stream";

/** Who reads the answer: the agent, at once, or a client, whenever it likes. */
export type Reader = "agent" | "client";

/** Connections that carry one list at a time to clients; more lists than that share them. */
const MAX_PACED = 16;

/** Bytes that are younger prove that a connection lives. */
const FRESH_MS = 3_000;

/** Bearers whose connections are kept; a node has some hundred pods, few of which talk to the API. */
export const MAX_BEARER_POOLS = 64;

/** What connections are made with. */
export interface ConnectionsOptions extends Omit<ConnectionProbe, "url"> {
  /** Makes a client; another one in tests. */
  connect?: typeof createHttpClient;
}

/** The connections to one server: apart by credential and by what they are used for. */
export class Connections {
  readonly #server: UpstreamServer;
  readonly #probe: ConnectionProbe;
  readonly #createClient: typeof createHttpClient;
  readonly #pools = new Map<string, Pool>();
  /** Not for new requests, with streams that come to their end. */
  readonly #leaving = new Set<Connection>();
  #ca: string | undefined;
  #protocol: "h2" | "http/1.1";
  #watchLimit = new WatchLimit();

  constructor(
    server: UpstreamServer,
    { connect = createHttpClient, ...probe }: ConnectionsOptions,
  ) {
    this.#server = server;
    const lost = (cause: string) => {
      probe.lost(cause);
      // What forgot one may have forgotten all.
      this.ask();
    };
    this.#probe = { ...probe, lost, url: server.url };
    this.#createClient = connect;
    this.#protocol = server.url.startsWith("https:") ? "h2" : "http/1.1";
  }

  /** What the server speaks, by its prober. Connections of the other protocol never worked. */
  speaks(protocol: "h2" | "http/1.1"): void {
    if (protocol === this.#protocol) return;
    this.#protocol = protocol;
    this.cut(new Error(`the server speaks ${protocol}`));
  }

  /** Something says that the network may have forgotten connections: those in use are asked for a sign of life. */
  ask(): void {
    const silentSinceMs = this.#probe.clock.monotonic() - FRESH_MS;
    for (const connection of this.#all()) connection.doubt(silentSinceMs);
  }

  /** Clients with connections now. */
  get size(): number {
    return this.#all().length;
  }

  /** Whether an answer is still awaited or read. */
  get isBusy(): boolean {
    return this.#all().some(({ streams }) => streams > 0);
  }

  #all(): Connection[] {
    const leaving = [...this.#leaving].filter(({ isClosed }) => !isClosed);
    return [...[...this.#pools.values()].flatMap(connectionsOf), ...leaving];
  }

  /** A client for a request. No request is sent over a connection of a credential that has changed since. */
  async take(credential: Credential, purpose: Purpose, reader: Reader = "agent"): Promise<Lease> {
    const pool = await this.#pool(credential);
    switch (purpose) {
      case "short":
        return this.#single(pool, "short", credential);
      case "list":
        if (reader === "client") return this.#paced(pool, credential);
        return this.#single(pool, "list", credential);
      case "watch": {
        prune(pool.watches);
        const free = pool.watches.find((each) => this.#watchLimit.hasRoom(each));
        return this.#watchLimit.lease(free ?? this.#connectInto(pool.watches, credential));
      }
      case "stream": {
        // Three unread bodies block a connection's window: each streamed one has its own.
        const connection = this.#connect(credential, (empty) => {
          pool.streams.delete(empty);
          empty.close(new Error("its answer has ended"));
        });
        pool.streams.add(connection);
        return connection.lease();
      }
      default:
        return purpose satisfies never;
    }
  }

  #single(pool: Pool, kind: "short" | "list", credential: Credential): Lease {
    let connection = pool[kind];
    if (connection === undefined || connection.isClosed) {
      connection = pool[kind] = this.#connect(credential, () => {});
    }
    return connection.lease();
  }

  #paced(pool: Pool, credential: Credential): Lease {
    prune(pool.paced);
    let connection = pool.paced.find(({ streams }) => streams === 0);
    if (connection === undefined && pool.paced.length >= MAX_PACED) {
      connection = pool.paced.reduce((least, each) => each.streams < least.streams ? each : least);
    }
    return (connection ?? this.#connectInto(pool.paced, credential)).lease();
  }

  /** A connection of a list of them, of which one that is empty is kept for the next request. */
  #connectInto(list: Connection[], credential: Credential): Connection {
    const connection = this.#connect(credential, (empty) => {
      const another = list.some((each) => each !== empty && each.streams === 0 && !each.full);
      if (!another && !empty.full) return;
      list.splice(list.indexOf(empty), 1);
      empty.close(new Error("not needed any more"));
    });
    list.push(connection);
    return connection;
  }

  /**
   * Reads the authority again; if it is another one, nothing of what the former one vouched for is used for a
   * new request.
   *
   * @returns whether it is another one
   * @throws when it can't be read: the former one counts on
   */
  async renewAuthority(): Promise<boolean> {
    const former = this.#ca;
    const ca = await this.#server.ca();
    if (former === undefined || ca === former) return false;
    if (ca !== undefined) parseAuthorities(ca);
    this.retire();
    this.#ca = ca;
    return true;
  }

  /** A client of the prober's own. The authority is read anew. */
  async probing(credential: Credential, protocol: "h2" | "http/1.1"): Promise<HttpClient> {
    return this.#client(credential, protocol, await this.#server.ca());
  }

  async #pool(credential: Credential): Promise<Pool> {
    this.#ca ??= await this.#server.ca();
    const known = this.#pools.get(credential.key);
    if (known?.version === credential.version) {
      // Most recently used last.
      this.#pools.delete(credential.key);
      this.#pools.set(credential.key, known);
      return known;
    }
    const pool = createPool(credential.version);
    // Made before the old one goes: it throws on a key that does not fit, as in the middle of a rotation.
    pool.short = this.#connect(credential, () => {});
    if (known !== undefined) this.#retirePool(known);
    this.#pools.delete(credential.key);
    this.#pools.set(credential.key, pool);
    this.#evict();
    return pool;
  }

  /** Any local process may send any bearer: their connections are bounded, those of identities are not. */
  #evict(): void {
    const bearers = [...this.#pools].filter(([key]) => key.startsWith("bearer:"));
    const isIdle = ([, pool]: [string, Pool]) =>
      connectionsOf(pool).every(({ streams }) => streams === 0);
    const excess = Math.max(0, bearers.length - MAX_BEARER_POOLS);
    // The newest is the one that is asked for.
    const older = bearers.slice(0, -1);
    const first = [...older.filter(isIdle), ...older.filter((each) => !isIdle(each))];
    for (const [key, pool] of first.slice(0, excess)) {
      for (const connection of connectionsOf(pool)) connection.close(new Error("too many bearers"));
      this.#pools.delete(key);
    }
  }

  #connect(
    { certificate }: Pick<Credential, "certificate">,
    emptied: (connection: Connection) => void,
  ): Connection {
    const client = this.#client({ certificate }, this.#protocol, this.#ca);
    return new Connection(client, this.#probe, { asks: this.#protocol === "h2", emptied });
  }

  #client(
    { certificate }: Pick<Credential, "certificate">,
    protocol: "h2" | "http/1.1",
    ca: string | undefined,
  ): HttpClient {
    const caCerts = ca === undefined ? undefined : [ca];
    return this.#createClient({ caCerts, ...certificate, protocol });
  }

  /** What is open may come to its end; new requests make new connections. */
  retire(): void {
    for (const pool of this.#pools.values()) this.#retirePool(pool);
    this.#forget();
  }

  /** They must still end with the link, so they are not forgotten before they are closed. */
  #retirePool(pool: Pool): void {
    for (const each of this.#leaving) if (each.isClosed) this.#leaving.delete(each);
    for (const connection of connectionsOf(pool)) {
      connection.retire();
      if (!connection.isClosed) this.#leaving.add(connection);
    }
  }

  /** Ends all of them. A renewed authority is taken up with the next one. */
  cut(reason: Error): void {
    for (const connection of this.#all()) connection.close(reason);
    this.#leaving.clear();
    // What seemed to be a limit may have been the ailing link.
    this.#watchLimit = new WatchLimit();
    this.#forget();
  }

  #forget(): void {
    this.#pools.clear();
    this.#ca = undefined;
  }
}
