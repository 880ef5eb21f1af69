import type { Clock } from "../../kernel/clock.ts";
import { isOfOneObject, keptRank, type Rank, scopeRank } from "../store/eviction_order.ts";
import type { StateStore } from "../store/state_store.ts";
import type { ProxyConfig } from "../config.ts";
import type { CloudLink } from "../link/cloud_link.ts";
import type { ServingPorts } from "../start_proxy.ts";
import type { Hub } from "./hub.ts";
import type { Scope } from "./scope.ts";
import type { Scopes } from "./scopes.ts";

/** What the watch over idle scopes works with. */
export interface IdleScopesOptions {
  scopes: Scopes;
  store: StateStore;
  link: Pick<CloudLink, "isOpen" | "subscribe">;
  clock: Clock;
  /** A mirrored scope that nobody asked for so long is no longer mirrored, and after as long again forgotten. */
  ttlMs: number;
  /** Something was forgotten to make room. */
  evicted(what: "scope" | "answer", count: number): void;
}

/** The kubelet asks for its Secrets and ConfigMaps only when it starts a pod. */
const MIN_ONE_OBJECT_TTL_MS = 24 * 3_600_000;
/** Answers forgotten at a time. */
const ANSWERS = 100;

/** Ends and forgets what nobody asks for, and makes room in a full store. */
export class IdleScopes {
  readonly #options: IdleScopesOptions;
  /** Monotonic ms since when the link is open: while it is not, nothing could be fetched again. */
  #openSinceMs: number;

  constructor(options: IdleScopesOptions) {
    this.#options = options;
    this.#openSinceMs = options.clock.monotonic();
  }

  /** Looks now and then, until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, link, ttlMs } = this.#options;
    const unsubscribe = link.subscribe(({ state }) => {
      if (state === "down" || state === "rejected") this.#openSinceMs = Infinity;
      else if (this.#openSinceMs === Infinity) this.#openSinceMs = clock.monotonic();
    });
    while (!signal.aborted) {
      await clock.sleep(ttlMs / 8, signal);
      if (!signal.aborted && link.isOpen) this.look();
    }
    unsubscribe();
  }

  /** Ends the reflectors that nobody needs, and forgets what was needless for twice as long. */
  look(): void {
    const { scopes } = this.#options;
    for (const { hub } of scopes.hubs()) {
      // Asking counts as wanting it.
      if (hub.isWatched) scopes.hub(hub.scope);
    }
    for (const { hub, reflected, idleMs } of this.#idle()) {
      const ttlMs = this.#ttlMs(hub.scope);
      if (reflected && idleMs >= ttlMs) scopes.stopReflecting(hub.scope);
      else if (!reflected && idleMs >= 2 * ttlMs) void scopes.forget(hub);
    }
  }

  #ttlMs(scope: Scope): number {
    const { ttlMs } = this.#options;
    return isOfOneObject(scope) ? Math.max(ttlMs, MIN_ONE_OBJECT_TTL_MS) : ttlMs;
  }

  /** What nobody watches, idle longest first. */
  #idle(): { hub: Hub; reflected: boolean; idleMs: number }[] {
    const now = this.#options.clock.monotonic();
    return this.#options.scopes.hubs()
      .filter(({ hub }) => !hub.isWatched)
      .map(({ hub, reflected, askedMs }) => {
        return { hub, reflected, idleMs: now - Math.max(askedMs, this.#openSinceMs), askedMs };
      })
      .sort((a, b) => a.askedMs - b.askedMs);
  }

  /**
   * Forgets what can best be done without. Never what somebody watches.
   *
   * @returns whether there is more room now
   */
  async makeRoom(wantedBytes: number): Promise<boolean> {
    const { store } = this.#options;
    const target = store.usage.usedBytes - wantedBytes;
    let freed = false;
    for (const forget of this.#victims()) {
      if (!await forget()) break;
      freed = true;
      if (store.usage.usedBytes <= target) break;
    }
    return freed;
  }

  *#victims(): Generator<() => Promise<boolean>> {
    yield* this.#answers("first");
    yield* this.#answers("later");
    yield* this.#scopes("first");
    yield* this.#answers("last");
    yield* this.#scopes("last");
  }

  *#answers(rank: Rank): Generator<() => Promise<boolean>> {
    const { store, evicted } = this.#options;
    const keys = store.keptByAge().map(({ key }) => key).filter((key) => keptRank(key) === rank);
    for (let at = 0; at < keys.length; at += ANSWERS) {
      const some = keys.slice(at, at + ANSWERS);
      yield () => {
        evicted("answer", some.length);
        return store.evict(some);
      };
    }
  }

  /** Those that are not mirrored go first. */
  *#scopes(rank: Rank): Generator<() => Promise<boolean>> {
    const { scopes, evicted } = this.#options;
    const idle = this.#idle().filter(({ hub }) => scopeRank(hub.scope) === rank);
    for (const mirrored of [false, true]) {
      for (const { hub, reflected } of idle) {
        if (reflected !== mirrored || hub.isWatched || hub.freshness === "empty") continue;
        yield () => {
          evicted("scope", 1);
          return scopes.forget(hub);
        };
      }
    }
  }
}

/** The watch over idle scopes, which tells the log and the metrics what it does; the store asks it for room. */
export function createIdleScopes(
  parts: { scopes: Scopes; store: StateStore; link: CloudLink },
  { idleScopeTtl }: ProxyConfig["store"],
  { clock, logger, metrics }: Pick<ServingPorts, "clock" | "logger" | "metrics">,
): IdleScopes {
  const idle = new IdleScopes({
    ...parts,
    clock,
    ttlMs: idleScopeTtl,
    evicted: (what, count) => {
      metrics.store.evicted.inc({ what }, count);
      const message = "the store is full: something that nobody watches is forgotten";
      logger.warn(message, { what, count });
    },
  });
  parts.store.makeRoom = (wantedBytes) => idle.makeRoom(wantedBytes);
  return idle;
}
