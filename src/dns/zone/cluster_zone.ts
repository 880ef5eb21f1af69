import type { Clock } from "../../kernel/clock.ts";
import { type Answer, createAnswer } from "../wire/answer.ts";
import { isWithin } from "../wire/name.ts";
import { EDE, RCODE } from "../wire/rcode.ts";
import type { ResourceRecord } from "../wire/record.ts";
import { TYPE } from "../wire/record_type.ts";
import type { Chase } from "./chase.ts";
import { ClusterState, type FactsKind, type FactsOf, type ZoneChange } from "./cluster_state.ts";
import { endpointLabel } from "./endpoint_slice_facts.ts";
import { Lookup } from "./lookup.ts";
import { nameRecord, type Outcome } from "./outcome.ts";
import { addressOfReverse, isReverse } from "./reverse_name.ts";
import { NegativeAnswers } from "./soa.ts";
import { parseZoneName, type ZoneName } from "./zone_name.ts";
import { parseZoneOptions, type ZoneOptions } from "./zone_options.ts";

/** What the zone says to a question. */
export type ZoneAnswer =
  | { state: "answered"; answer: Answer; why: string }
  /** The name leads out of the zone: `followChase` makes an answer of it. */
  | { state: "chase"; chase: Chase; why: string }
  /** The name is not the zone's. */
  | { state: "elsewhere" };

/** CNAME records in one answer: CoreDNS's limit. */
const MAX_CHAIN = 10;

const ELSEWHERE: ZoneAnswer = { state: "elsewhere" };
const REFUSED: ZoneAnswer = {
  state: "answered",
  answer: createAnswer("", { rcode: RCODE.REFUSED, authoritative: false }),
  why: "the zone is not handed out as a whole",
};

/**
 * The cluster zone (Kubernetes DNS-Based Service Discovery 1.1.0) and its reverse names, kept up to date
 * change by change. Answers are bytes, made once and kept until their Service changes.
 */
export class ClusterZone {
  readonly options: ZoneOptions;
  readonly #clock: Pick<Clock, "now">;
  readonly #state = new ClusterState<ZoneAnswer>();
  readonly #lookup: Lookup<ZoneAnswer>;
  readonly #negatives: NegativeAnswers;
  readonly #reverseNegatives: ReadonlyMap<string, NegativeAnswers>;

  /**
   * Whether the zone is whole: until then what is not found may only not have come yet, so that
   * NXDOMAIN is SERVFAIL. Its owner sets it, also after what was kept on disk was read.
   */
  synced = false;

  /** @throws {SyntaxError} for a zone that can't be one */
  constructor(options: Partial<ZoneOptions>, clock: Pick<Clock, "now">) {
    this.options = parseZoneOptions(options);
    this.#clock = clock;
    this.#lookup = new Lookup(this.#state, this.options);
    const { zone, ttlSeconds, reverseZones } = this.options;
    this.#negatives = new NegativeAnswers(zone, ttlSeconds);
    this.#reverseNegatives = new Map(
      reverseZones.map((reverse) => [reverse, new NegativeAnswers(reverse, ttlSeconds)]),
    );
    this.#touch();
  }

  /** The objects that the zone is made of; the zone itself takes in their changes. */
  get state(): Pick<ClusterState<ZoneAnswer>, "facts" | "isKnown" | "conclude"> {
    return this.#state;
  }

  /** Takes a change of one object in. @returns whether it matters to the zone */
  apply(change: ZoneChange): boolean {
    const changed = this.#state.apply(change);
    if (changed) this.#touch();
    return changed;
  }

  /** Makes `objects` all that there is of a kind, as after a list. @returns whether it matters to the zone */
  replace<K extends FactsKind>(kind: K, objects: ReadonlyMap<string, FactsOf[K]>): boolean {
    const changed = this.#state.replace(kind, objects);
    if (changed) this.#touch();
    return changed;
  }

  /** What the zone says of `name`, a key, and `type`, in class IN. */
  answer(name: string, type: number): ZoneAnswer {
    const what = this.#whatIs(name);
    if (what === undefined) return isReverse(name) ? this.#reverse(name, type) : ELSEWHERE;
    if (type === TYPE.AXFR || type === TYPE.IXFR) return REFUSED;
    if (what.kind !== "service") return this.#render(name, type, this.#find(name, what, type));
    const service = this.#state.service(what.namespace, what.service);
    // Endpoints' own names are looked up fast enough, and there may be very many.
    const kept = what.before === "" || what.before.includes(".");
    const key = `${type} ${what.before}`;
    const known = kept ? service?.memo(key) : undefined;
    if (known !== undefined) return known;
    const outcome = this.#find(name, what, type);
    const answer = this.#render(name, type, outcome);
    // What follows from this Service alone, for names that exist: others are without number.
    if (kept && outcome.state === "records") service!.remember(key, answer);
    return answer;
  }

  /** What stands before the zone; undefined for a name that is not in it. */
  #whatIs(name: string): ZoneName | undefined {
    const { zone } = this.options;
    if (!isWithin(name, zone)) return undefined;
    return parseZoneName(name.slice(0, Math.max(0, name.length - zone.length - 1)));
  }

  #find(name: string, what: ZoneName, type: number): Outcome {
    if (what.kind !== "apex") return this.#lookup.find(name, what, type);
    return this.#apex(name, type, this.#negatives);
  }

  #apex(name: string, type: number, { soa }: NegativeAnswers): Outcome {
    if (type === TYPE.NS) return this.#lookup.nameServers(name);
    return type === TYPE.SOA || type === TYPE.ANY
      ? { state: "records", answers: [soa], why: "the zone's own record" }
      : { state: "nodata", why: "it is the zone itself" };
  }

  #render(name: string, type: number, outcome: Outcome): ZoneAnswer {
    const { why } = outcome;
    switch (outcome.state) {
      case "records": {
        const answer = createAnswer(name, { ...outcome, rcode: RCODE.NOERROR });
        return { state: "answered", answer, why };
      }
      case "alias":
        return this.#chase(name, type, outcome);
      case "nodata":
        return this.#negative(name, RCODE.NOERROR, this.#negatives, why);
      case "missing":
        return this.#negative(name, RCODE.NXDOMAIN, this.#negatives, why);
      case "unknown":
        return this.#notReady(name, why);
      default:
        return outcome satisfies never;
    }
  }

  #negative(name: string, rcode: number, negatives: NegativeAnswers, why: string): ZoneAnswer {
    if (rcode === RCODE.NXDOMAIN && !this.synced) return this.#notReady(name, why);
    return { state: "answered", answer: negatives.get(name, rcode), why };
  }

  #notReady(name: string, why: string): ZoneAnswer {
    const extendedError = { code: EDE.NOT_READY, text: "the cluster's objects are not known yet" };
    const answer = createAnswer(name, {
      rcode: RCODE.SERVFAIL,
      authoritative: false,
      extendedError,
    });
    return { state: "answered", answer, why: `${why}, but not all objects are known yet` };
  }

  /** Follows names that lead to names, as long as they are in the zone. */
  #chase(name: string, type: number, first: Extract<Outcome, { state: "alias" }>): ZoneAnswer {
    const { ttlSeconds } = this.options;
    const chain: ResourceRecord[] = [];
    const seen = new Set([name]);
    let [owner, outcome, why]: [string, Outcome, string] = [name, first, ""];
    while (outcome.state === "alias") {
      const { target } = outcome;
      chain.push(nameRecord(owner, TYPE.CNAME, target, ttlSeconds));
      why += `${outcome.why} for ${target}; `;
      if (seen.has(target) || chain.length > MAX_CHAIN) {
        const text = seen.has(target) ? "CNAME records lead in a circle" : "too many CNAME records";
        const extendedError = { code: EDE.OTHER, text };
        const answer = createAnswer(name, { rcode: RCODE.SERVFAIL, extendedError });
        return { state: "answered", answer, why: why + text };
      }
      seen.add(target);
      owner = target;
      const what = this.#whatIs(target);
      if (what === undefined) {
        return { state: "chase", chase: { name, type, chain, target }, why: `${why}outside` };
      }
      outcome = this.#find(target, what, type);
    }
    why += outcome.why;
    if (outcome.state === "records") {
      const answers = [...chain, ...outcome.answers];
      return {
        state: "answered",
        answer: createAnswer(name, { rcode: RCODE.NOERROR, answers }),
        why,
      };
    }
    if (outcome.state === "unknown" || outcome.state === "missing" && !this.synced) {
      return this.#notReady(name, why);
    }
    // The rcode is that of the last name (RFC 6604 3).
    const rcode = outcome.state === "missing" ? RCODE.NXDOMAIN : RCODE.NOERROR;
    const answer = createAnswer(name, {
      rcode,
      answers: chain,
      authorities: [this.#negatives.soa],
    });
    return { state: "answered", answer, why };
  }

  #reverse(name: string, type: number): ZoneAnswer {
    const zone = this.options.reverseZones.find((each) => isWithin(name, each));
    const address = addressOfReverse(name);
    const targets = address === undefined ? [] : this.#namesAt(address);
    if (targets.length > 0 && (type === TYPE.PTR || type === TYPE.ANY)) {
      const { ttlSeconds } = this.options;
      const answers = targets.map((target) => nameRecord(name, TYPE.PTR, target, ttlSeconds));
      return this.#render(name, type, { state: "records", answers, why: `who has ${address}` });
    }
    if (zone === undefined) return ELSEWHERE;
    if (type === TYPE.AXFR || type === TYPE.IXFR) return REFUSED;
    const negatives = this.#reverseNegatives.get(zone)!;
    if (name === zone) {
      const outcome = this.#apex(name, type, negatives);
      if (outcome.state === "records") return this.#render(name, type, outcome);
      return this.#negative(name, RCODE.NOERROR, negatives, outcome.why);
    }
    return targets.length > 0
      ? this.#negative(name, RCODE.NOERROR, negatives, "only PTR records are here")
      : this.#negative(name, RCODE.NXDOMAIN, negatives, `nothing in the cluster has this address`);
  }

  /** The one Service with this ClusterIP, or else the endpoint's name under each Service that it is behind. */
  #namesAt(address: string): string[] {
    const { zone, endpointPodNames } = this.options;
    const under = ({ name, namespace }: { name: string; namespace: string }) =>
      `${name}.${namespace}.svc.${zone}`;
    const [service] = this.#state.servicesAt(address).map(under).sort();
    if (service !== undefined) return [service];
    const names = this.#state.slicesAt(address).flatMap(({ service, namespace, endpoints }) =>
      endpoints.filter((endpoint) => endpoint.address === address).map((endpoint) =>
        `${endpointLabel(endpoint, endpointPodNames)}.${under({ name: service, namespace })}`
      )
    );
    return [...new Set(names)].sort();
  }

  /** Something changed: the serial is the time of that, seconds. */
  #touch(): void {
    const serial = Math.floor(this.#clock.now() / 1000) >>> 0;
    this.#negatives.setSerial(serial);
    for (const negatives of this.#reverseNegatives.values()) negatives.setSerial(serial);
  }
}
