import type { Clock } from "../../kernel/clock.ts";
import { choose } from "./choice.ts";
import { type CloudLink, pauseOn, untilState } from "./cloud_link.ts";
import type { Link } from "./link.ts";
import type { LinkState } from "./link_state.ts";

/** A server of the cloud that can be chosen. */
export interface ChosenServer {
  readonly url: string;
  readonly link: Link;
  /** Found out, not configured: used only while no other one answers. */
  readonly learned: boolean;
  /** It is no longer the one that requests are sent to; what is open may come to its end. */
  retire(): void;
}

/** That requests go to another server from now on. */
export interface Move {
  from: string;
  to: string;
  why: "failed" | "farther";
}

/** How often the round trips are compared, and for how long another server must be better. */
const COMPARE_MS = 15_000;
const BETTER_FOR_MS = 60_000;
/** A suspicion that lasts for so long may come true: then it must be known whether another server lives. */
const DOUBT_MS = 500;
/** What failed in the moment of a move was the server that was left: it is tried again soon. */
const SETTLE_MS = 500;
const SETTLE_PAUSE_MS = 200;

/** All servers of one cloud as one link: the nearest that is up, and another one when it dies. */
export class Servers<S extends ChosenServer> implements CloudLink {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #servers: S[] = [];
  readonly #listeners = new Set<(state: LinkState) => void>();
  readonly #moveListeners = new Set<(move: Move) => void>();
  /** Resolves when the set of servers or their need changes. */
  #changed = Promise.withResolvers<void>();
  #current: S;
  #told: LinkState["state"];
  #movedMs = -Infinity;
  #better: { server: S; sinceMs: number } | undefined;
  #cancelDoubt: (() => void) | undefined;

  /** @param servers at least one; the first is used until one has answered */
  constructor(clock: Clock, random: () => number, servers: readonly [S, ...S[]]) {
    this.#clock = clock;
    this.#random = random;
    this.#current = servers[0];
    this.#told = servers[0].link.state.state;
    for (const server of servers) this.add(server);
  }

  /** One more; a learned one is tried only while no configured one is open. */
  add(server: S): void {
    this.#servers.push(server);
    server.link.subscribe(() => this.#consider(server));
    this.#signalChange();
  }

  /** The server that requests go to. */
  get current(): S {
    return this.#current;
  }

  /** All of them. */
  get all(): readonly S[] {
    return this.#servers;
  }

  /** Another one that is up, for what certainly never reached `server`. */
  instead(server: S): S | undefined {
    if (this.#current !== server && this.#current.link.isOpen) return this.#current;
    const others = this.#servers.filter((each) =>
      each !== server && each.link.state.state === "up"
    );
    const choice = choose(others.map(toCandidate), 0);
    return others[choice.do === "stay" ? 0 : choice.to];
  }

  get state(): LinkState {
    return this.#current.link.state;
  }

  get isOpen(): boolean {
    return this.#current.link.isOpen;
  }

  get aliveAtMs(): number | undefined {
    const times = this.#servers.flatMap(({ link }) => link.aliveAtMs ?? []);
    return times.length === 0 ? undefined : Math.max(...times);
  }

  get roundTripMs(): number | undefined {
    return this.#current.link.roundTripMs;
  }

  subscribe(listener: (state: LinkState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls back on every move to another server. */
  onMove(listener: (move: Move) => void): () => void {
    this.#moveListeners.add(listener);
    return () => this.#moveListeners.delete(listener);
  }

  decided(signal: AbortSignal): Promise<void> {
    return untilState(this, ({ state }) => state !== "suspect", signal);
  }

  pause(ms: number, signal: AbortSignal): Promise<void> {
    const settling = this.#clock.monotonic() - this.#movedMs < SETTLE_MS;
    const wait = settling ? Math.min(ms, this.#random() * SETTLE_PAUSE_MS) : ms;
    return pauseOn(this, { ms: wait, clock: this.#clock, signal });
  }

  /** Watches all servers until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const running = new Map<S, { stop: AbortController; ended: Promise<void> }>();
    const onAbort = () => this.#signalChange();
    signal.addEventListener("abort", onAbort, { once: true });
    const comparing = this.#compare(signal);
    while (!signal.aborted) {
      const changed = this.#changed.promise;
      for (const server of this.#servers) {
        const known = running.get(server);
        if (this.#isNeeded(server) === (known !== undefined)) continue;
        if (known !== undefined) {
          known.stop.abort();
          running.delete(server);
          await known.ended;
          server.link.suspect("not needed any more");
        } else {
          const stop = new AbortController();
          const ended = server.link.run(AbortSignal.any([signal, stop.signal]));
          running.set(server, { stop, ended });
        }
      }
      await changed;
    }
    this.#endDoubt();
    await Promise.all([comparing, ...[...running.values()].map(({ ended }) => ended)]);
  }

  /** A learned server costs nothing while a configured one answers. */
  #isNeeded(server: S): boolean {
    return !server.learned || this.#current === server ||
      !this.#servers.some(({ learned, link }) => !learned && link.isOpen);
  }

  async #compare(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#clock.sleep(COMPARE_MS, signal);
      this.#weigh();
    }
  }

  /** Something changed about a server. */
  #consider(server: S): void {
    if (server === this.#current) {
      if (server.link.state.state === "suspect") this.#doubt(server);
      else this.#endDoubt();
    }
    this.#weigh();
    this.#signalChange();
    const { state } = this.#current.link;
    if (state.state === this.#told) return;
    this.#told = state.state;
    for (const listener of [...this.#listeners]) listener(state);
  }

  #doubt(server: S): void {
    this.#cancelDoubt ??= this.#clock.timer(DOUBT_MS, () => {
      this.#cancelDoubt = undefined;
      for (const other of this.#servers) if (other !== server) other.link.hurry();
    });
  }

  #endDoubt(): void {
    this.#cancelDoubt?.();
    this.#cancelDoubt = undefined;
  }

  #weigh(): void {
    const now = this.#clock.monotonic();
    const choice = choose(this.#servers.map(toCandidate), this.#servers.indexOf(this.#current));
    switch (choice.do) {
      case "stay":
        this.#better = undefined;
        return;
      case "fail over":
        return this.#move(this.#servers[choice.to]!, "failed");
      case "move": {
        const server = this.#servers[choice.to]!;
        if (this.#better?.server !== server) this.#better = { server, sinceMs: now };
        if (now - this.#better.sinceMs >= BETTER_FOR_MS) this.#move(server, "farther");
        return;
      }
      default:
        choice satisfies never;
    }
  }

  #move(to: S, why: Move["why"]): void {
    const from = this.#current;
    this.#current = to;
    this.#better = undefined;
    this.#movedMs = this.#clock.monotonic();
    from.retire();
    // It was up when last heard, which may be a while ago.
    to.link.hurry();
    for (const listener of [...this.#moveListeners]) listener({ from: from.url, to: to.url, why });
  }

  #signalChange(): void {
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers();
    resolve();
  }
}

function toCandidate({ link, learned }: ChosenServer) {
  return {
    state: link.state.state,
    roundTripMs: link.roundTripMs,
    learned,
    known: link.aliveAtMs !== undefined,
  };
}
