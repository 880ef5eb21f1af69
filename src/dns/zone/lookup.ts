import { TYPE } from "../wire/record_type.ts";
import type { ClusterState } from "./cluster_state.ts";
import { nameServersOf } from "./name_servers.ts";
import {
  addressRecord,
  addressRecords,
  isOfType,
  nameRecord,
  type Outcome,
  srvRecords,
} from "./outcome.ts";
import { addressOf, type ServiceFacts } from "./service_facts.ts";
import type { ClusterService } from "./cluster_service.ts";
import { parseSelection, podAddressText, type ZoneName } from "./zone_name.ts";
import type { ZoneOptions } from "./zone_options.ts";

/** Version of the specification that the zone follows (Kubernetes DNS-Based Service Discovery). */
const SCHEMA_VERSION = "1.1.0";
const SCHEMA_TTL_SECONDS = 28_800;

const NO_SUCH_TYPE = "the name exists, but has no record of this type";

/** Finds what there is in the zone, below its apex. */
export class Lookup<Memo> {
  readonly #state: ClusterState<Memo>;
  readonly #options: ZoneOptions;

  constructor(state: ClusterState<Memo>, options: ZoneOptions) {
    this.#state = state;
    this.#options = options;
  }

  /** What there is for `name`, a key, which says `what`. */
  find(name: string, what: Exclude<ZoneName, { kind: "apex" }>, type: number): Outcome {
    switch (what.kind) {
      case "branch":
        return { state: "nodata", why: "it is a branch of the zone" };
      case "version":
        return this.#version(name, type);
      case "nameServer":
        return this.#nameServer(name, type);
      case "namespace":
        return this.#namespace(what);
      case "service":
        return this.#service(name, what, type);
      case "pod":
        return this.#pod(name, what, type);
      case "unknown":
        return { state: "missing", why: "no name of the cluster looks like this" };
      default:
        return what satisfies never;
    }
  }

  #version(name: string, type: number): Outcome {
    if (type !== TYPE.TXT && type !== TYPE.ANY) return { state: "nodata", why: NO_SUCH_TYPE };
    const strings = [new TextEncoder().encode(SCHEMA_VERSION)];
    const record = { name, type: TYPE.TXT, class: 1, ttlSeconds: SCHEMA_TTL_SECONDS };
    return {
      state: "records",
      answers: [{ ...record, data: { kind: "txt", strings } }],
      why: "the version of the specification",
    };
  }

  #nameServer(name: string, type: number): Outcome {
    const addresses = nameServersOf(this.#state, this.#options).map(({ address }) => address);
    return this.#addresses(name, type, addresses, "the zone's name server");
  }

  #namespace({ branch, namespace }: Extract<ZoneName, { kind: "namespace" }>): Outcome {
    if (branch === "pod" && this.#options.pods === "disabled") {
      return { state: "missing", why: "names of pods are disabled" };
    }
    return this.#state.hasNamespace(namespace)
      ? { state: "nodata", why: `it is the namespace ${namespace}` }
      : this.#noNamespace(namespace);
  }

  /** Services tell only of namespaces that have some. */
  #noNamespace(namespace: string): Outcome {
    const why = `there is no namespace ${namespace}`;
    return { state: this.#state.isKnown("namespace") ? "missing" : "unknown", why };
  }

  #service(
    name: string,
    { namespace, service: own, before }: Extract<ZoneName, { kind: "service" }>,
    type: number,
  ): Outcome {
    const service = this.#state.service(namespace, own);
    const facts = service?.facts;
    if (service === undefined || facts === undefined) {
      return { state: "missing", why: this.#noService(namespace, own) };
    }
    if (facts.kind === "external") return this.#external(name, facts, before, type);
    const { ignoreEmptyService, endpointPodNames, ttlSeconds, zone } = this.#options;
    if (ignoreEmptyService && facts.kind === "cluster" && service.readyEndpoints === 0) {
      return { state: "missing", why: `Service ${namespace}/${own} has no ready endpoint` };
    }
    const instances = service.instances(parseSelection(before), endpointPodNames);
    if (instances === undefined) {
      return { state: "missing", why: nothingFits(facts, service, before) };
    }
    const why = `${facts.kind === "headless" ? "headless " : ""}Service ${namespace}/${own}`;
    if (type === TYPE.SRV) {
      const full = `${own}.${namespace}.svc.${zone}`;
      const { answers, additionals } = srvRecords(name, full, instances, ttlSeconds);
      return answers.length === 0
        ? { state: "nodata", why: `${why} declares no port` }
        : { state: "records", answers, additionals, why };
    }
    return this.#addresses(name, type, instances.map(({ address }) => address), why);
  }

  #noService(namespace: string, service: string): string {
    return this.#state.hasNamespace(namespace)
      ? `there is no Service ${namespace}/${service}`
      : `there is no namespace ${namespace}`;
  }

  #external(
    name: string,
    { namespace, name: own, externalName: target }: ServiceFacts,
    before: string,
    type: number,
  ): Outcome {
    const why = `Service ${namespace}/${own} is an ExternalName`;
    if (before !== "") return { state: "missing", why: `${why}: there is nothing below it` };
    if (target === "") return { state: "missing", why: `${why} that leads to no name` };
    if (type === TYPE.A || type === TYPE.AAAA) return { state: "alias", target, why };
    if (type !== TYPE.CNAME && type !== TYPE.ANY) return { state: "nodata", why: NO_SUCH_TYPE };
    const answers = [nameRecord(name, TYPE.CNAME, target, this.#options.ttlSeconds)];
    return { state: "records", answers, why };
  }

  #pod(
    name: string,
    { namespace, pod }: Extract<ZoneName, { kind: "pod" }>,
    type: number,
  ): Outcome {
    const { pods } = this.#options;
    if (pods === "disabled") return { state: "missing", why: "names of pods are disabled" };
    if (!this.#state.hasNamespace(namespace)) return this.#noNamespace(namespace);
    const address = addressOf(podAddressText(pod));
    if (address === undefined) return { state: "missing", why: `${pod} is no address with dashes` };
    if (pods === "insecure") {
      return this.#addresses(name, type, [address], "the address in the name, not verified");
    }
    const found = this.#state.podsAt(address).find((each) => each.namespace === namespace);
    if (found !== undefined) {
      return this.#addresses(name, type, [address], `pod ${namespace}/${found.name}`);
    }
    const why = `no pod that is known here has ${address} in ${namespace}`;
    return { state: this.#state.isKnown("pod") ? "missing" : "unknown", why };
  }

  /** Of a name that exists by its addresses. ANY gets one RRset, the shortest lawful answer (RFC 8482 4.1). */
  #addresses(name: string, type: number, addresses: readonly string[], why: string): Outcome {
    const { ttlSeconds } = this.#options;
    const first = addresses.some((address) => isOfType(address, TYPE.A)) ? TYPE.A : TYPE.AAAA;
    const wanted = type === TYPE.ANY ? first : type;
    const answers = addressRecords(name, wanted, addresses, ttlSeconds);
    return answers.length === 0
      ? { state: "nodata", why: NO_SUCH_TYPE }
      : { state: "records", answers, why };
  }

  /** The zone's name servers: NS records and their addresses. */
  nameServers(apex: string): Outcome {
    const servers = nameServersOf(this.#state, this.#options);
    if (servers.length === 0) return { state: "nodata", why: "this server has no address yet" };
    const { ttlSeconds } = this.#options;
    const names = new Set(servers.map(({ name }) => name));
    return {
      state: "records",
      answers: [...names].map((name) => nameRecord(apex, TYPE.NS, name, ttlSeconds)),
      additionals: servers.map(({ name, address }) => addressRecord(name, address, ttlSeconds)),
      why: "the zone's name servers",
    };
  }
}

function nothingFits(
  { namespace, name, kind }: ServiceFacts,
  service: ClusterService<unknown>,
  before: string,
): string {
  const notReady = service.slices.reduce((sum, slice) => sum + slice.notReady, 0);
  const counts = `${service.readyEndpoints} ready endpoints and ${notReady} others`;
  const what = `${kind === "headless" ? "headless " : ""}Service ${namespace}/${name}`;
  return before === ""
    ? `${what} has ${counts}`
    : `${what} has no port or endpoint "${before}"; it has ${counts}`;
}
