import type { EncodingName } from "../../src/kube/codec/encoding.ts";
import type { ListHead } from "../../src/kube/codec/list.ts";
import { Hub } from "../../src/proxy/hub/hub.ts";
import type { HubEvents } from "../../src/proxy/hub/hub_options.ts";
import type { Scope } from "../../src/proxy/hub/scope.ts";
import { ScopeContent } from "../../src/proxy/hub/scope_content.ts";
import type { WindowLimits } from "../../src/proxy/hub/event_window.ts";
import type { ChangeType } from "../../src/kube/watch_event.ts";
import { utf8 } from "./arbitraries.ts";
import type { MemoryStore } from "./memory_store.ts";
import { encode, encodeMeta, envelope } from "./protobuf.ts";

/** What a client must know of an object. */
export interface Known {
  uid: string;
  resourceVersion: string;
}

/** Name -> object. */
export type State = ReadonlyMap<string, Known>;

/** An event of a {@linkcode CloudModel}. */
export interface CloudEvent {
  type: ChangeType;
  name: string;
  uid: string;
  version: number;
}

/** A collection of an API server with its whole history: the model that hubs and clients are held to. */
export class CloudModel {
  version = 10;
  readonly events: CloudEvent[] = [];
  #uids = 0;
  #objects = new Map<string, Known>();
  readonly #states: { version: number; state: State }[] = [{ version: 10, state: new Map() }];

  /** Creates the object, or changes the one that is there. */
  apply(name: string): void {
    const known = this.#objects.get(name);
    const uid = known?.uid ?? `u${++this.#uids}`;
    this.#record(known === undefined ? "ADDED" : "MODIFIED", name, uid);
  }

  /** Deletes the object if it is there. */
  delete(name: string): void {
    const known = this.#objects.get(name);
    if (known !== undefined) this.#record("DELETED", name, known.uid);
  }

  /** Other resources change: the version rises, this collection stays. */
  elsewhere(): void {
    this.version += 3;
  }

  /** The objects at a version. */
  at(version: string | number): State {
    return this.#states.findLast((each) => each.version <= Number(version))!.state;
  }

  get now(): State {
    return this.at(this.version);
  }

  /** The objects as the items of a list. */
  items(encoding: EncodingName = "json"): Uint8Array[] {
    return [...this.#objects].map(([name, known]) => itemOf({ name, ...known }, encoding));
  }

  #record(type: ChangeType, name: string, uid: string): void {
    const version = ++this.version;
    if (type === "DELETED") this.#objects.delete(name);
    else this.#objects.set(name, { uid, resourceVersion: String(version) });
    this.events.push({ type, name, uid, version });
    this.#states.push({ version, state: new Map(this.#objects) });
  }
}

function itemOf(metadata: Known & { name: string }, encoding: EncodingName): Uint8Array {
  return encoding === "protobuf"
    ? encode([[1, encodeMeta(metadata)], [2, [[10, "n1"]]]])
    : utf8(JSON.stringify({ metadata }));
}

/** The object of an event as it stands alone. */
export function eventObject(
  { name, uid, version }: CloudEvent,
  encoding: EncodingName = "json",
): Uint8Array {
  const metadata = { name, uid, resourceVersion: String(version) };
  return encoding === "protobuf"
    ? envelope("v1", "Pod", itemOf(metadata, encoding))
    : utf8(JSON.stringify({ kind: "Pod", apiVersion: "v1", metadata }));
}

/** What the list of a {@linkcode CloudModel} says beside its items. */
export function podListHead(version: number | string): ListHead {
  return {
    kind: "PodList",
    apiVersion: "v1",
    resourceVersion: String(version),
    continue: "",
    extra: {},
  };
}

/** Pods of all namespaces, as the kubelet's identity sees them. */
export const POD_SCOPE: Scope = {
  caller: "identity:kubelet",
  group: "",
  version: "v1",
  resource: "pods",
  namespace: "",
  labelSelector: "",
  fieldSelector: "",
  representation: "object",
  encoding: "json",
  variant: "",
};

/** The hub of {@linkcode POD_SCOPE} in an encoding, loaded from the store if that has it. */
export function createPodHub(
  store: MemoryStore,
  options: {
    limits?: WindowLimits;
    events?: Partial<HubEvents>;
    now?: () => number;
    encoding?: EncodingName;
  } = {},
): Hub {
  const scope: Scope = { ...POD_SCOPE, encoding: options.encoding ?? "json" };
  return new Hub({
    scope,
    content: new ScopeContent(store.asStateStore(), 1, scope),
    limits: options.limits ?? { maxEvents: 1_000, maxBytes: 1_000_000 },
    now: options.now ?? (() => 0),
    events: { deleted() {}, relisted() {}, damaged() {}, ...options.events },
    row: store.scopes().find(({ id }) => id === 1),
  });
}

/** Gives the hub a whole list. */
export async function relist(
  hub: Hub,
  items: Uint8Array[],
  version: number | string,
): Promise<void> {
  const replacement = hub.replace();
  for (const item of items) await replacement.add([item]);
  replacement.commit(podListHead(version));
}
