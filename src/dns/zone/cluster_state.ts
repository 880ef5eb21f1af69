import { isSame } from "../../kernel/is_same.ts";
import { AddressIndex } from "./address_index.ts";
import { ClusterService } from "./cluster_service.ts";
import type { EndpointSliceFacts } from "./endpoint_slice_facts.ts";
import type { NamespaceFacts } from "./namespace_facts.ts";
import type { PodFacts } from "./pod_facts.ts";
import type { ServiceFacts } from "./service_facts.ts";

/** What is known of the objects of each kind. */
export interface FactsOf {
  service: ServiceFacts;
  endpointSlice: EndpointSliceFacts;
  namespace: NamespaceFacts;
  pod: PodFacts;
}

export type FactsKind = keyof FactsOf;

/** An object came, changed, or (without facts) went. `key` is `namespace/name`, or the name of a Namespace. */
export type ZoneChange = {
  [K in FactsKind]: { kind: K; key: string; facts: FactsOf[K] | undefined };
}[FactsKind];

interface Namespace<Memo> {
  listed: boolean;
  services: Map<string, ClusterService<Memo>>;
  /** How many of `services` are more than slices. */
  serviceCount: number;
}

/** The objects that the zone is made of. A change costs what the object does, not what the cluster does. */
export class ClusterState<Memo> {
  readonly #facts: { [K in FactsKind]: Map<string, FactsOf[K]> } = {
    service: new Map(),
    endpointSlice: new Map(),
    namespace: new Map(),
    pod: new Map(),
  };
  readonly #namespaces = new Map<string, Namespace<Memo>>();
  readonly #byClusterIp = new AddressIndex<ServiceFacts>();
  readonly #byEndpoint = new AddressIndex<EndpointSliceFacts>();
  readonly #byPodIp = new AddressIndex<PodFacts>();
  /** Kinds of which all objects were told, or will never be. */
  readonly #known = new Set<FactsKind>();

  /** Takes a change in. @returns whether anything that matters here is different now */
  apply(change: ZoneChange): boolean {
    const { kind, key, facts } = change;
    const former = this.#facts[kind].get(key);
    if (isSame(former, facts)) return false;
    switch (kind) {
      case "service":
        this.#replaceService(this.#keep(kind, key, facts), facts);
        break;
      case "endpointSlice":
        this.#replaceSlice(this.#keep(kind, key, facts), facts);
        break;
      case "namespace":
        this.#replaceNamespace(this.#keep(kind, key, facts), facts);
        break;
      case "pod":
        this.#replacePod(this.#keep(kind, key, facts), facts);
        break;
      default:
        return change satisfies never;
    }
    return true;
  }

  /**
   * Makes `objects` all that there is of a kind, as after a list. Facts that are the very ones that were
   * given before cost next to nothing.
   *
   * @returns whether anything is different now
   */
  replace<K extends FactsKind>(kind: K, objects: ReadonlyMap<string, FactsOf[K]>): boolean {
    let changed = false;
    this.#known.add(kind);
    const gone = [...this.#facts[kind].keys()].filter((key) => !objects.has(key));
    for (const key of gone) {
      changed = this.apply({ kind, key, facts: undefined } as ZoneChange) || changed;
    }
    for (const [key, facts] of objects) {
      changed = this.apply({ kind, key, facts } as ZoneChange) || changed;
    }
    return changed;
  }

  /** Nobody can tell the objects of a kind: what is known of them is all that there is. */
  conclude(kind: FactsKind): void {
    this.#known.add(kind);
  }

  /** Whether what is not known of a kind is not there, as far as anybody can tell. */
  isKnown(kind: FactsKind): boolean {
    return this.#known.has(kind);
  }

  /** All that is known of a kind, by key: plain JSON, fit to be kept on disk. */
  facts<K extends FactsKind>(kind: K): ReadonlyMap<string, FactsOf[K]> {
    return this.#facts[kind];
  }

  service(namespace: string, name: string): ClusterService<Memo> | undefined {
    return this.#namespaces.get(namespace)?.services.get(name);
  }

  /** A namespace with a Service in it is there, whether or not it was listed already. */
  hasNamespace(name: string): boolean {
    const namespace = this.#namespaces.get(name);
    return namespace !== undefined && (namespace.listed || namespace.serviceCount > 0);
  }

  servicesAt(clusterIp: string): readonly ServiceFacts[] {
    return this.#byClusterIp.get(clusterIp);
  }

  slicesAt(address: string): readonly EndpointSliceFacts[] {
    return this.#byEndpoint.get(address);
  }

  podsAt(address: string): readonly PodFacts[] {
    return this.#byPodIp.get(address);
  }

  /** Puts facts in place. @returns the former ones */
  #keep<K extends FactsKind>(
    kind: K,
    key: string,
    facts: FactsOf[K] | undefined,
  ): FactsOf[K] | undefined {
    const all = this.#facts[kind];
    const former = all.get(key);
    if (facts === undefined) all.delete(key);
    else all.set(key, facts);
    return former;
  }

  #replaceService(former: ServiceFacts | undefined, facts: ServiceFacts | undefined): void {
    for (const ip of former?.clusterIps ?? []) this.#byClusterIp.delete(ip, former!);
    for (const ip of facts?.clusterIps ?? []) this.#byClusterIp.add(ip, facts!);
    this.#withService((facts ?? former)!, (service, namespace) => {
      namespace.serviceCount += Number(facts !== undefined) - Number(former !== undefined);
      service.setFacts(facts);
    });
  }

  #replaceSlice(
    former: EndpointSliceFacts | undefined,
    facts: EndpointSliceFacts | undefined,
  ): void {
    // The label of a slice may come to name another Service.
    if (former !== undefined && former.service !== "") {
      for (const { address } of former.endpoints) this.#byEndpoint.delete(address, former);
      this.#withService({ ...former, name: former.service }, (service) => {
        service.setSlice(former.name, undefined);
      });
    }
    if (facts !== undefined && facts.service !== "") {
      for (const { address } of facts.endpoints) this.#byEndpoint.add(address, facts);
      this.#withService({ ...facts, name: facts.service }, (service) => {
        service.setSlice(facts.name, facts);
      });
    }
  }

  #replaceNamespace(former: NamespaceFacts | undefined, facts: NamespaceFacts | undefined): void {
    const { name } = (facts ?? former)!;
    this.#namespace(name).listed = facts !== undefined;
    this.#forgetEmpty(name);
  }

  #replacePod(former: PodFacts | undefined, facts: PodFacts | undefined): void {
    for (const ip of former?.addresses ?? []) this.#byPodIp.delete(ip, former!);
    for (const ip of facts?.addresses ?? []) this.#byPodIp.add(ip, facts!);
  }

  #withService(
    { namespace: place, name }: { namespace: string; name: string },
    change: (service: ClusterService<Memo>, namespace: Namespace<Memo>) => void,
  ): void {
    const namespace = this.#namespace(place);
    const service = namespace.services.get(name) ?? new ClusterService<Memo>();
    change(service, namespace);
    if (service.isEmpty) namespace.services.delete(name);
    else namespace.services.set(name, service);
    this.#forgetEmpty(place);
  }

  #namespace(name: string): Namespace<Memo> {
    let namespace = this.#namespaces.get(name);
    if (namespace === undefined) {
      namespace = { listed: false, services: new Map(), serviceCount: 0 };
      this.#namespaces.set(name, namespace);
    }
    return namespace;
  }

  #forgetEmpty(name: string): void {
    const { listed, services } = this.#namespace(name);
    if (!listed && services.size === 0) this.#namespaces.delete(name);
  }
}
