import { parseAuthorities } from "../../platform/client_certificate.ts";
import { createHttpClient, type HttpClient } from "../../platform/net.ts";
import type { Credential } from "./credentials.ts";

/** Where the cloud is and how it is trusted. */
export interface UpstreamServer {
  /** `https://host:port`, without a slash at the end. */
  url: string;
  /** PEM; undefined trusts the system's authorities. */
  ca(): Promise<string | undefined>;
}

/** What a request is for: kinds of traffic that must not hold each other up. */
export type Purpose = "short" | "list" | "watch" | "stream";

/** A client to send a request with; released when its answer has ended. */
export interface Lease {
  client: HttpClient;
  release(): void;
}

/** kube-apiserver allows 100 streams per connection, and a queued request then waits for ever. */
const WATCHES_PER_CONNECTION = 80;

/** Bearers whose connections are kept; a node has some hundred pods, few of which talk to the API. */
const MAX_BEARER_POOLS = 64;

/** One HTTP client, that is one connection, and how many of its streams are taken. */
interface Connection {
  client: HttpClient;
  streams: number;
}

/** The connections of one credential. */
interface Pool {
  version: number;
  /** Made when first used. */
  short?: Connection;
  list?: Connection;
  watches: Connection[];
  streams: Set<Connection>;
}

/** The connections to the cloud: apart by credential and by what they are used for. */
export class Connections implements Disposable {
  readonly #server: UpstreamServer;
  readonly #pools = new Map<string, Pool>();
  #ca: string | undefined;

  constructor(server: UpstreamServer) {
    this.#server = server;
  }

  /** A client for a request. Its credential's older connections are closed when the credential changed. */
  async take(credential: Credential, purpose: Purpose): Promise<Lease> {
    const pool = await this.#pool(credential);
    switch (purpose) {
      case "short":
      case "list":
        pool[purpose] ??= this.#connect(credential);
        return { client: pool[purpose].client, release: () => {} };
      case "watch": {
        let connection = pool.watches.find(({ streams }) => streams < WATCHES_PER_CONNECTION);
        if (connection === undefined) pool.watches.push(connection = this.#connect(credential));
        const taken = connection;
        taken.streams++;
        return { client: taken.client, release: () => taken.streams-- };
      }
      case "stream": {
        // Three unread bodies block a connection's window: each streamed one has its own.
        const connection = this.#connect(credential);
        pool.streams.add(connection);
        const release = () => {
          if (pool.streams.delete(connection)) connection.client[Symbol.dispose]();
        };
        return { client: connection.client, release };
      }
      default:
        return purpose satisfies never;
    }
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
    this[Symbol.dispose]();
    this.#ca = ca;
    return true;
  }

  /** A connection without any credential, of the caller's own. */
  async anonymous(): Promise<HttpClient> {
    this.#ca ??= await this.#server.ca();
    return this.#connect({}).client;
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
    const pool: Pool = { version: credential.version, watches: [], streams: new Set() };
    // Made before the old one goes: it throws on a key that does not fit, as in the middle of a rotation.
    pool.short = this.#connect(credential);
    if (known !== undefined) close(known);
    this.#pools.delete(credential.key);
    this.#pools.set(credential.key, pool);
    this.#evict();
    return pool;
  }

  /** Any local process may send any bearer: their connections are bounded, those of identities are not. */
  #evict(): void {
    const bearers = [...this.#pools.keys()].filter((key) => key.startsWith("bearer:"));
    for (const key of bearers.slice(0, -MAX_BEARER_POOLS)) {
      close(this.#pools.get(key)!);
      this.#pools.delete(key);
    }
  }

  #connect({ certificate }: Pick<Credential, "certificate">): Connection {
    const protocol = this.#server.url.startsWith("https:") ? "h2" : "http/1.1";
    const caCerts = this.#ca === undefined ? undefined : [this.#ca];
    return { client: createHttpClient({ caCerts, ...certificate, protocol }), streams: 0 };
  }

  /** Closes all of them. A renewed authority is taken up with the next one. */
  [Symbol.dispose](): void {
    for (const pool of this.#pools.values()) close(pool);
    this.#pools.clear();
    this.#ca = undefined;
  }
}

function close(pool: Pool): void {
  for (const connection of [pool.short, pool.list, ...pool.watches, ...pool.streams]) {
    connection?.client[Symbol.dispose]();
  }
  pool.streams.clear();
}
