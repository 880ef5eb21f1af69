import type { Clock } from "../kernel/clock.ts";
import { apiVersionOf, type FakeResource, type KubeObject } from "./fake_resources.ts";
import { alreadyExists, conflict, expired, notFound } from "./fake_status.ts";

/** One change, as etcd would hand it to the watch cache. */
export interface StoreEvent {
  resourceVersion: number;
  resource: FakeResource;
  /** State after the change; undefined when deleted. */
  object: KubeObject | undefined;
  /** State before it; undefined when created. A deleted object keeps its last state but gets the new RV. */
  previous: KubeObject | undefined;
}

/** All that a backup of etcd holds. */
export interface Backup {
  resourceVersion: number;
  objects: [FakeResource, [string, KubeObject][]][];
}

/** What is kept of one resource. */
interface Cache {
  /** By `namespace/name`, or `name`. */
  objects: Map<string, KubeObject>;
  events: StoreEvent[];
  /** The lowest resourceVersion that a watch or an exact list can still begin at. */
  oldest: number;
  /** Of the newest event. */
  newest: number;
}

/**
 * The fake's etcd and watch caches: one resourceVersion for all, and per resource the objects and the newest
 * events. Objects are never changed in place.
 */
export class FakeStore {
  readonly #clock: Clock;
  readonly #maxEvents: number;
  readonly #caches = new Map<FakeResource, Cache>();
  readonly #listeners = new Set<(event: StoreEvent) => void>();
  readonly #firstResourceVersion: number;
  #resourceVersion: number;

  constructor(clock: Clock, options: { firstResourceVersion?: number; maxEvents?: number } = {}) {
    this.#clock = clock;
    this.#maxEvents = options.maxEvents ?? 10_000;
    this.#firstResourceVersion = options.firstResourceVersion ?? 1_000;
    this.#resourceVersion = this.#firstResourceVersion;
  }

  /** Of the last change to anything. */
  get resourceVersion(): number {
    return this.#resourceVersion;
  }

  /** How many objects there are of all resources. */
  get size(): number {
    let size = 0;
    for (const { objects } of this.#caches.values()) size += objects.size;
    return size;
  }

  /** The lowest resourceVersion that a watch or an exact list of the resource can still begin at. */
  oldestOf(resource: FakeResource): number {
    return this.#of(resource).oldest;
  }

  /** The resourceVersion of the resource's last event; what its bookmarks carry. */
  newestOf(resource: FakeResource): number {
    return this.#of(resource).newest;
  }

  get(resource: FakeResource, namespace: string, name: string): KubeObject {
    const object = this.#of(resource).objects.get(keyOf(namespace, name));
    if (object === undefined) throw notFound(resource, name);
    return object;
  }

  has(resource: FakeResource, namespace: string, name: string): boolean {
    return this.#of(resource).objects.has(keyOf(namespace, name));
  }

  /**
   * All objects in the order of etcd's keys, now or as they were at a past resourceVersion.
   * @throws {StatusError} 410 when that is forgotten.
   */
  list(resource: FakeResource, namespace: string, at = this.#resourceVersion): KubeObject[] {
    const { events, oldest, ...cache } = this.#of(resource);
    if (at < oldest) throw expired("The resourceVersion for the provided list is too old.");
    let { objects } = cache;
    if (at < this.#resourceVersion) {
      objects = new Map(objects);
      for (const event of events.toReversed()) {
        if (event.resourceVersion <= at) break;
        const key = keyOfObject((event.previous ?? event.object)!);
        if (event.previous === undefined) objects.delete(key);
        else objects.set(key, event.previous);
      }
    }
    const prefix = namespace === "" ? "" : `${namespace}/`;
    const keys = [...objects.keys()].filter((key) => key.startsWith(prefix)).sort();
    return keys.map((key) => objects.get(key)!);
  }

  create(resource: FakeResource, namespace: string, given: KubeObject): KubeObject {
    const name = given.metadata.name;
    if (this.has(resource, namespace, name)) throw alreadyExists(resource, name);
    const { kind: _kind, apiVersion: _apiVersion, metadata: _metadata, ...rest } = given;
    return this.#commit(resource, undefined, {
      kind: resource.kind,
      apiVersion: apiVersionOf(resource),
      metadata: {
        ...given.metadata,
        name,
        ...(resource.namespaced && { namespace }),
        uid: crypto.randomUUID(),
        creationTimestamp: new Date(this.#clock.now()).toISOString().replace(/\.\d+Z$/, "Z"),
      },
      ...rest,
    });
  }

  /** Replaces an object; one that stays the same keeps its resourceVersion and makes no event. */
  update(resource: FakeResource, namespace: string, given: KubeObject): KubeObject {
    const name = given.metadata.name;
    const previous = this.get(resource, namespace, name);
    const { uid, resourceVersion } = given.metadata;
    if (uid !== undefined && uid !== previous.metadata.uid) {
      throw conflict(resource, name, `Precondition failed: UID in precondition: ${uid}`);
    }
    if (resourceVersion && resourceVersion !== previous.metadata.resourceVersion) {
      const why = "the object has been modified; please apply your changes to the latest version";
      throw conflict(resource, name, `${why} and try again`);
    }
    const { metadata } = previous;
    const object: KubeObject = {
      ...given,
      kind: previous.kind,
      apiVersion: previous.apiVersion,
      metadata: {
        ...given.metadata,
        namespace: metadata.namespace,
        uid: metadata.uid,
        resourceVersion: metadata.resourceVersion,
        creationTimestamp: metadata.creationTimestamp,
      },
    };
    return canonical(object) === canonical(previous)
      ? previous
      : this.#commit(resource, previous, object);
  }

  /** Returns the last state, with the resourceVersion of the deletion. */
  delete(resource: FakeResource, namespace: string, name: string): KubeObject {
    return this.#commit(resource, this.get(resource, namespace, name), undefined);
  }

  /** Forgets all past events: who resumes from before now gets 410. */
  compact(): void {
    for (const cache of this.#caches.values()) {
      cache.events = [];
      cache.oldest = this.#resourceVersion;
    }
  }

  /** The events of a resource after a resourceVersion, oldest first. */
  since(resource: FakeResource, resourceVersion: number): StoreEvent[] {
    return this.#of(resource).events.filter((event) => event.resourceVersion > resourceVersion);
  }

  /** Calls `listener` at each change until the returned function is called. */
  subscribe(listener: (event: StoreEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  backup(): Backup {
    return {
      resourceVersion: this.#resourceVersion,
      objects: [...this.#caches].map(([resource, { objects }]) => [resource, [...objects]]),
    };
  }

  /** Goes back to a backup, resourceVersion included, as a cluster restored from etcd's snapshot does. */
  restore(backup: Backup): void {
    this.#resourceVersion = backup.resourceVersion;
    this.#caches.clear();
    for (const [resource, objects] of backup.objects) {
      const { resourceVersion: newest } = backup;
      this.#caches.set(resource, { objects: new Map(objects), events: [], oldest: newest, newest });
    }
  }

  #commit(
    resource: FakeResource,
    previous: KubeObject | undefined,
    object: KubeObject | undefined,
  ): KubeObject {
    const resourceVersion = ++this.#resourceVersion;
    const base = (object ?? previous)!;
    const stamped = {
      ...base,
      metadata: { ...base.metadata, resourceVersion: String(resourceVersion) },
    };
    const event: StoreEvent = object === undefined
      ? { resourceVersion, resource, object, previous }
      : { resourceVersion, resource, object: stamped, previous };
    const cache = this.#of(resource);
    if (object === undefined) cache.objects.delete(keyOfObject(stamped));
    else cache.objects.set(keyOfObject(stamped), stamped);
    cache.newest = resourceVersion;
    cache.events.push(event);
    if (cache.events.length > this.#maxEvents) cache.oldest = cache.events.shift()!.resourceVersion;
    for (const listener of [...this.#listeners]) listener(event);
    return stamped;
  }

  #of(resource: FakeResource): Cache {
    let cache = this.#caches.get(resource);
    if (cache === undefined) {
      const oldest = this.#firstResourceVersion;
      this.#caches.set(
        resource,
        cache = { objects: new Map(), events: [], oldest, newest: oldest },
      );
    }
    return cache;
  }
}

function keyOf(namespace: string, name: string): string {
  return namespace === "" ? name : `${namespace}/${name}`;
}

function keyOfObject({ metadata }: KubeObject): string {
  return keyOf(metadata.namespace ?? "", metadata.name);
}

/** Text that is equal for equal objects, whatever the order of their keys. */
function canonical(value: unknown): string {
  return JSON.stringify(
    value,
    (_, v) =>
      v !== null && typeof v === "object" && !Array.isArray(v)
        ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => a < b ? -1 : 1))
        : v,
  );
}
