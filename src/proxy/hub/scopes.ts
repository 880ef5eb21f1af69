import { Backoff } from "../../kernel/backoff.ts";
import type { Clock } from "../../kernel/clock.ts";
import { Reflector, type Send } from "../../kube/reflector.ts";
import { formatGvr, type Gvr } from "../../kube/request_info.ts";
import type { WindowLimits } from "./event_window.ts";
import { Hub } from "./hub.ts";
import type { CloudLink } from "../link/cloud_link.ts";
import { type Readiness, whenReaches, whenReady } from "./readiness.ts";
import { sinkOf } from "./reflector_sink.ts";
import { formatScope, parseScope, provesDeletion, type Scope, scopeTarget } from "./scope.ts";
import { ScopeContent } from "./scope_content.ts";
import type { StateStore } from "../store/state_store.ts";

/** What the registry works with. */
export interface ScopesOptions {
  store: StateStore;
  link: CloudLink;
  clock: Clock;
  limits: WindowLimits;
  random: () => number;
  /** Ends every reflector. */
  signal: AbortSignal;
  /** Aborts when the credential of a scope's caller was replaced: what waits for a better one goes on. */
  renewal(scope: Scope): AbortSignal;
  /** Sends on behalf of a scope's caller. */
  sendFor(scope: Scope): Send;
  /** An object is known to be gone. */
  deleted(scope: Scope, key: string, resourceVersion: string): void;
  relisted(scope: Scope, differences: number): void;
  failed(scope: Scope, error: unknown): void;
  damaged(scope: Scope, key: string): void;
  /** The cloud answered 401 to a caller's own token. */
  rejected(caller: string): void;
  /** Newest version of a history that the cloud gave up, across restarts; empty if there was none. */
  forgottenTo(): string;
}

/** `resumed`: mirrored on behalf of a watch that goes on from a version. */
type ReflectOptions = { resumed?: boolean };

/** A hub, and its reflector once somebody wants the scope watched. */
interface Entry {
  hub: Hub;
  reflecting: Promise<void> | undefined;
  /** Ends the reflector; the scope stays. */
  stop: AbortController;
  /** What it is wanted for again once the reflector that was told to end has ended. */
  again?: ReflectOptions;
  /** Monotonic ms when somebody last wanted something of it. */
  askedMs: number;
}

/** Every scope that is known: those that are mirrored and those that only passed by as lists. */
export class Scopes {
  readonly #options: ScopesOptions;
  readonly #entries = new Map<string, Entry>();
  /** The entries of one caller and resource: `caller|gvr`. */
  readonly #byResource = new Map<string, Entry[]>();
  #nextId = 1;

  constructor(options: ScopesOptions) {
    this.#options = options;
    for (const row of options.store.scopes()) {
      this.#nextId = Math.max(this.#nextId, row.id + 1);
      this.#add(parseScope(row.key), row);
    }
    options.link.subscribe(({ state }) => {
      if (state === "down" || state === "rejected") this.#linkDown();
    });
  }

  #add(scope: Scope, row?: ConstructorParameters<typeof Hub>[0]["row"]): Entry {
    const { store, limits, relisted, clock, damaged } = this.#options;
    const hub = new Hub({
      scope,
      content: new ScopeContent(store, row?.id ?? this.#nextId++, scope),
      limits,
      row,
      now: () => clock.now(),
      forgottenTo: this.#options.forgottenTo(),
      events: {
        relisted,
        deleted: (scope, key, resourceVersion) => this.#deleted(scope, key, resourceVersion),
        damaged: (scope, key) => {
          damaged(scope, key);
          this.#restart(entry);
        },
      },
    });
    const askedMs = clock.monotonic();
    const entry: Entry = { hub, reflecting: undefined, stop: new AbortController(), askedMs };
    this.#entries.set(formatScope(scope), entry);
    const resource = resourceKey(scope.caller, scope);
    const siblings = this.#byResource.get(resource);
    if (siblings === undefined) this.#byResource.set(resource, [entry]);
    else siblings.push(entry);
    return entry;
  }

  #linkDown(): void {
    for (const { hub } of this.#entries.values()) hub.linkDown();
  }

  #deleted(scope: Scope, key: string, resourceVersion: string): void {
    if (!provesDeletion(scope)) return;
    this.#options.deleted(scope, key, resourceVersion);
    for (
      const { hub, reflecting } of this.#byResource.get(resourceKey(scope.caller, scope)) ?? []
    ) {
      if (reflecting === undefined) hub.foundDeleted(key, resourceVersion);
    }
  }

  /** The hub of a scope, which is made if need be, without a reflector. */
  hub(scope: Scope): Hub {
    return this.#entry(scope).hub;
  }

  /** The hub of a scope if there is one: asking does not make it. */
  known(scope: Scope): Hub | undefined {
    return this.#entries.get(formatScope(scope))?.hub;
  }

  #entry(scope: Scope): Entry {
    const entry = this.#entries.get(formatScope(scope)) ?? this.#add(scope);
    entry.askedMs = this.#options.clock.monotonic();
    return entry;
  }

  /** Whether the scope is being mirrored. */
  isReflected(scope: Scope): boolean {
    return this.#entries.get(formatScope(scope))?.reflecting !== undefined;
  }

  /** The hub of a scope that is mirrored from now on. */
  reflect(scope: Scope, options: ReflectOptions = {}): Hub {
    const entry = this.#entry(scope);
    if (entry.reflecting === undefined) this.#begin(entry, options);
    // It is ending, and would leave a watcher with nothing to come.
    else if (entry.stop.signal.aborted) entry.again ??= options;
    return entry.hub;
  }

  #begin(entry: Entry, { resumed = false }: ReflectOptions): void {
    const { clock, random, link, signal, sendFor, renewal, failed } = this.#options;
    const { hub } = entry;
    const { scope } = hub;
    hub.beginReflecting(resumed);
    if (!link.isOpen) hub.linkDown();
    const stop = entry.stop = new AbortController();
    const reflector = new Reflector({
      target: scopeTarget(scope),
      send: sendFor(scope),
      sink: sinkOf(hub, {
        failed: (error) => failed(scope, error),
        rejected: () => this.#purge(scope.caller),
        stop: () => stop.abort(),
      }),
      backoff: new Backoff(clock, { random }),
      monotonic: () => clock.monotonic(),
      pause: (ms, signal) => link.pause(ms, AbortSignal.any([signal, renewal(scope)])),
      random,
    });
    entry.reflecting = reflector.run(AbortSignal.any([signal, stop.signal])).then(() => {
      const { again } = entry;
      entry.reflecting = entry.again = undefined;
      const isKnown = this.#entries.get(formatScope(scope)) === entry;
      if (again !== undefined && isKnown && !signal.aborted) this.#begin(entry, again);
    });
  }

  // The cloud no longer takes the caller's token: what was kept for it is of no use to anybody, and a watch
  // that still stands must not go on telling changes of a list that is gone.
  #purge(caller: string): void {
    for (const { hub, stop } of this.#entries.values()) {
      if (hub.scope.caller !== caller) continue;
      stop.abort();
      hub.purge();
    }
    this.#options.rejected(caller);
  }

  /** A reflector that is busy watching would list too late. */
  #restart(entry: Entry): void {
    if (entry.reflecting === undefined) return;
    entry.stop.abort();
    entry.again ??= {};
  }

  /** The hubs of a caller and resource that hold something, in any representation. */
  siblings(caller: string, gvr: Gvr): Hub[] {
    return (this.#byResource.get(resourceKey(caller, gvr)) ?? [])
      .map(({ hub }) => hub).filter((hub) => hub.freshness !== "empty");
  }

  /** Ends the reflector of a scope; what is known of it stays. */
  stopReflecting(scope: Scope): void {
    this.#entries.get(formatScope(scope))?.stop.abort();
  }

  /** Forgets a scope, also on disk. @returns whether its room is free now */
  async forget({ scope, content }: Hub): Promise<boolean> {
    const key = formatScope(scope);
    const entry = this.#entries.get(key);
    if (entry === undefined) return false;
    entry.stop.abort();
    entry.hub.retire();
    this.#entries.delete(key);
    const siblings = this.#byResource.get(resourceKey(scope.caller, scope)) ?? [];
    siblings.splice(siblings.indexOf(entry), 1);
    return await this.#options.store.drop([content.id]);
  }

  /** Lists a mirrored scope anew; a watch on its way is given up. */
  relist(scope: Scope): void {
    const entry = this.#entries.get(formatScope(scope));
    if (entry !== undefined) this.#restart(entry);
  }

  get size(): number {
    return this.#entries.size;
  }

  /** All hubs. `askedMs`: monotonic, when somebody last wanted something of it */
  hubs(): { hub: Hub; reflected: boolean; askedMs: number }[] {
    return [...this.#entries.values()].map(({ hub, reflecting, askedMs }) => {
      return { hub, reflected: reflecting !== undefined, askedMs };
    });
  }

  /** See {@linkcode whenReady}. */
  ready(hub: Hub, need: "current" | "known", signal: AbortSignal): Promise<Readiness> {
    return whenReady(hub, need, this.#options.link, signal);
  }

  /** See {@linkcode whenReaches}. */
  reaches(hub: Hub, resourceVersion: string, signal: AbortSignal): Promise<boolean> {
    return whenReaches(hub, resourceVersion, this.#options, signal);
  }

  /** Resolves when every reflector has ended; abort the signal first. */
  async ended(): Promise<void> {
    await Promise.all([...this.#entries.values()].map((entry) => entry.reflecting));
  }
}

function resourceKey(caller: string, gvr: Gvr): string {
  return `${caller}|${formatGvr(gvr)}`;
}
