import type { Clock } from "../../kernel/clock.ts";
import type { Servers } from "../link/servers.ts";
import type { CloudServer } from "./cloud_server.ts";
import type { Credential } from "./credentials.ts";
import { exchange, type UpstreamRequest } from "./exchange.ts";
import { UnreachableError } from "./unreachable.ts";

export { isMiddlebox } from "./middlebox.ts";
export { UnreachableError };
export type { UpstreamRequest };

/** Sends requests to the cloud, by whichever of its servers is in use. */
export class Upstream {
  readonly #servers: Servers<CloudServer>;
  readonly #clock: Clock;

  constructor(servers: Servers<CloudServer>, clock: Clock) {
    this.#servers = servers;
    this.#clock = clock;
  }

  /** The server in use: its URL, its authority, and the signal that ends what is spliced to it. */
  get server(): Pick<CloudServer, "url" | "ca" | "cut" | "link"> {
    return this.#servers.current;
  }

  /**
   * The cloud's answer, whatever its status. A request that certainly never left goes to another server;
   * any other one is sent once.
   *
   * @throws {UnreachableError} when there is none
   */
  async send(credential: Credential, request: UpstreamRequest): Promise<Response> {
    const server = this.#servers.current;
    try {
      return await exchange(server, credential, request, this.#clock);
    } catch (error) {
      const other = this.#servers.instead(server);
      const unsent = error instanceof UnreachableError && !error.sent && !error.answered;
      if (!unsent || other === undefined) throw error;
      return await exchange(other, credential, request, this.#clock);
    }
  }
}
