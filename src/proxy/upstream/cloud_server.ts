import type { Clock } from "../../kernel/clock.ts";
import { Link } from "../link/link.ts";
import { LINK_TIMES, STANDBY_TIMES } from "../link/link_state.ts";
import { Prober } from "../link/prober.ts";
import type { ChosenServer } from "../link/servers.ts";
import { Connections, type UpstreamServer } from "./connections.ts";
import type { Credential } from "./credentials.ts";

/** What servers of the cloud are made with. */
export interface CloudServerOptions {
  clock: Clock;
  random: () => number;
  learned?: boolean;
  /** Whom probes speak for. */
  probeAs(): Promise<Credential>;
  /** Whether requests go to this server; another one is asked for signs of life less often. */
  isCurrent(server: CloudServer): boolean;
  /** A connection was given up though the link may live. */
  connectionLost(url: string, cause: string): void;
}

/** One kube-apiserver of the cloud: its link and the connections to it. */
export class CloudServer implements ChosenServer, Disposable {
  readonly learned: boolean;
  readonly link: Link;
  readonly connections: Connections;
  readonly #server: UpstreamServer;
  readonly #prober: Prober;
  readonly #unsubscribe: () => void;

  constructor(server: UpstreamServer, options: CloudServerOptions) {
    const { clock, random, learned = false, isCurrent, probeAs, connectionLost } = options;
    this.#server = server;
    this.learned = learned;
    this.connections = new Connections(server, {
      clock,
      patienceMs: () => this.link.patienceMs,
      lost: (cause) => connectionLost(server.url, cause),
    });
    this.#prober = new Prober(
      {
        url: server.url,
        connect: async (protocol) => {
          const credential = await probeAs();
          const client = await this.connections.probing(credential, protocol);
          return { client, token: credential.token };
        },
        connected: (protocol) => {
          this.connections.speaks(protocol);
          this.connections.ask();
        },
      },
      clock,
      (roundTripMs) => this.link.answeredLate(roundTripMs),
    );
    this.link = new Link(
      clock,
      (timeoutMs, signal) => this.#prober.probe(timeoutMs, signal),
      random,
      // One that was left may still carry watches, whose clients must learn of its end as soon.
      () => isCurrent(this) || this.connections.isBusy ? LINK_TIMES : STANDBY_TIMES,
    );
    // Connections of a dead link would be tried first when it is back.
    this.#unsubscribe = this.link.subscribe((state) => {
      if (state.state !== "down" && state.state !== "rejected") return;
      this.connections.cut(new Error(`the link to the cloud is ${state.state}: ${state.cause}`));
    });
  }

  /** `https://host:port`, without a slash at the end. */
  get url(): string {
    return this.#server.url;
  }

  /** PEM of the authority to trust; undefined trusts the system's. */
  ca(): Promise<string | undefined> {
    return this.#server.ca();
  }

  /** See {@linkcode Connections.renewAuthority}. */
  async renewAuthority(): Promise<boolean> {
    if (!await this.connections.renewAuthority()) return false;
    // Its connection is as trustworthy as the authority that vouched for it.
    this.#prober[Symbol.dispose]();
    return true;
  }

  /** Aborts when the link to this server goes down: whatever is spliced to it must end. */
  get cut(): AbortSignal {
    return this.link.cut;
  }

  retire(): void {
    this.connections.retire();
  }

  [Symbol.dispose](): void {
    this.#unsubscribe();
    this.#prober[Symbol.dispose]();
    this.connections.cut(new Error("the agent stops"));
  }
}
