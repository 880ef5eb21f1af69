import { type Endpoint, formatHostPort } from "../../config/scalars.ts";
import { Singleflight } from "../../kernel/singleflight.ts";
import { ClientShares } from "./client_shares.ts";
import { Flight, type Landed } from "./flight.ts";
import { type ForwardQuestion, questionKey } from "./forward_question.ts";
import { LoopProbes } from "./loop_probes.ts";
import { type Routes, RouteTable } from "./routes.ts";
import { Upstream, type UpstreamPorts, type UpstreamState } from "./upstream.ts";

/** How questions are forwarded; times in ms. */
export interface ForwarderOptions {
  /** Questions under way at a time; of one client: see {@linkcode ClientShares}. */
  maxConcurrent: number;
  /** The longest that a question takes. */
  deadlineMs: number;
  /** Bounds of the wait for one upstream before the next one is asked as well. */
  minTimeoutMs: number;
  maxTimeoutMs: number;
}

export const FORWARDER_DEFAULTS: ForwarderOptions = {
  maxConcurrent: 1_000,
  deadlineMs: 5_000,
  minTimeoutMs: 200,
  maxTimeoutMs: 2_000,
};

/** What became of a question: see {@linkcode Landed}; `overloaded` when there are too many already. */
export type Forwarded = Landed | { state: "overloaded" } | { state: "no-upstream" };

/** An upstream as `status` shows it. */
export interface UpstreamStatus {
  upstream: string;
  /** The stub domain for whose names it is asked; unset where it is asked for all others. */
  zone?: string;
  state: UpstreamState["state"];
  /** Smoothed ms of a round trip. */
  roundTripMs?: number;
}

/**
 * Asks upstreams what is not known here. One flight per question is under way, however many want to
 * know; with all upstreams down none is: the answer is known at once.
 */
export class Forwarder implements Disposable {
  readonly #options: ForwarderOptions;
  readonly #ports: Omit<UpstreamPorts, "probes" | "changed">;
  readonly #probes: LoopProbes;
  readonly #singleflight = new Singleflight<Forwarded>();
  readonly #flights = new Set<Flight>();
  readonly #shares: ClientShares;
  /** By zone and address: who leads back to us for the names of one zone may be right for those of another. */
  #upstreams: ReadonlyMap<string, Upstream> = new Map();
  #routes = new RouteTable<readonly Upstream[]>([]);

  constructor(
    options: Partial<ForwarderOptions>,
    ports: Omit<UpstreamPorts, "probes" | "changed">,
  ) {
    this.#options = { ...FORWARDER_DEFAULTS, ...options };
    this.#ports = ports;
    this.#probes = new LoopProbes(ports.random);
    this.#shares = new ClientShares(this.#options.maxConcurrent);
  }

  /** Says who is asked for what. Upstreams that are in it already keep what is known of them. */
  configure({ upstreams, stubs }: Routes): void {
    const former = this.#upstreams;
    const all = new Map<string, Upstream>();
    const toUpstream = (zone: string, address: Endpoint): Upstream => {
      const key = `${zone} ${formatHostPort(address)}`;
      const upstream = all.get(key) ?? former.get(key) ?? this.#create(zone, address);
      all.set(key, upstream);
      return upstream;
    };
    const routes = [{ zone: "", upstreams }, ...stubs].map(({ zone, upstreams }) => ({
      zone,
      target: upstreams.map((address) => toUpstream(zone, address)),
    }));
    this.#routes = new RouteTable(routes);
    this.#upstreams = all;
    for (const [key, upstream] of former) if (!all.has(key)) upstream[Symbol.dispose]();
    for (const [key, upstream] of all) if (!former.has(key)) void upstream.checkLoop();
  }

  /**
   * Asks; never rejects.
   *
   * @param client IP address of who wants to know; undefined for the agent itself
   */
  resolve(question: ForwardQuestion, client?: string): Promise<Forwarded> {
    return this.#singleflight.do(questionKey(question), () => this.#fly(question, client));
  }

  /** Whether a client's question is a probe of ours: the upstream that it went to leads back to us. */
  isOwnProbe(name: string, type: number): boolean {
    return this.#probes.isReturn(name, type);
  }

  /** The network may be back: upstreams that are down are looked at now. */
  hurry(): void {
    for (const upstream of this.#upstreams.values()) upstream.hurry();
  }

  /** The network may be gone: upstreams are looked at before anybody has to wait for that. */
  doubt(): void {
    for (const upstream of this.#upstreams.values()) upstream.doubt();
  }

  /** Questions under way. */
  get flights(): number {
    return this.#flights.size;
  }

  status(): UpstreamStatus[] {
    return [...this.#upstreams.values()].map(({ key, zone, state: { state }, roundTripMs }) => ({
      upstream: key,
      ...(zone !== "" && { zone }),
      state,
      ...(roundTripMs !== undefined && { roundTripMs: Math.round(roundTripMs) }),
    }));
  }

  /** Ends what is under way: it is answered as late. */
  [Symbol.dispose](): void {
    this.configure({ upstreams: [], stubs: [] });
    for (const flight of this.#flights) flight.cancel();
  }

  #create(zone: string, address: Endpoint): Upstream {
    const { minTimeoutMs: minMs, maxTimeoutMs: maxMs } = this.#options;
    return new Upstream(zone, address, { minMs, maxMs }, {
      ...this.#ports,
      probes: this.#probes,
      changed: () => {
        for (const flight of this.#flights) flight.wake();
      },
    });
  }

  async #fly(question: ForwardQuestion, client: string | undefined): Promise<Forwarded> {
    const upstreams = this.#routes.find(question.name) ?? [];
    if (upstreams.length === 0) return { state: "no-upstream" };
    if (this.#flights.size >= this.#options.maxConcurrent) return { state: "overloaded" };
    if (client !== undefined && !this.#shares.take(client)) return { state: "overloaded" };
    const flight = new Flight(question, upstreams, this.#ports.clock);
    this.#flights.add(flight);
    try {
      return await flight.run(this.#options.deadlineMs);
    } finally {
      this.#flights.delete(flight);
      if (client !== undefined) this.#shares.give(client);
    }
  }
}
