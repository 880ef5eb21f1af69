import type { DnsRequest, Handled, Handler, Next } from "../chain.ts";
import { type Answer, createAnswer, readAnswer } from "../wire/answer.ts";
import { RCODE } from "../wire/rcode.ts";
import { CLASS_IN, TYPE } from "../wire/record_type.ts";
import { restOfSearchPath } from "./search_path.ts";

/** What is known of a pod. */
export interface PodOfAddress {
  namespace: string;
}

/** What the completion of search paths needs. */
export interface SearchOptions {
  /** The cluster zone, a key. */
  zone: string;
  /** The search list of the kubelet's `resolvConf`, keys. */
  hostDomains: () => readonly string[];
  /**
   * The pod of this node that has an address for itself and the search list that the kubelet gives to
   * `dnsPolicy: ClusterFirst`; undefined for pods of the host's network and those with a `dnsConfig`.
   */
  podOf: (address: string) => PodOfAddress | undefined;
}

/** TTL of the CNAME record, seconds, at most: what it leads past may come to be. */
const MAX_TTL_SECONDS = 5;

/**
 * Completes search paths as CoreDNS's plugin `autopath` does: the first name of a pod's search path that
 * does not exist is answered with the one further down that does, so that one round trip is enough. Names
 * that exist are answered as they are.
 */
export class SearchHandler implements Handler {
  readonly name = "search";
  readonly #options: SearchOptions;

  constructor(options: SearchOptions) {
    this.#options = options;
  }

  handle(request: DnsRequest, next: Next): Handled | Promise<Handled> {
    const candidates = this.#candidates(request);
    const first = next(request);
    if (candidates === undefined) return first;
    if (first instanceof Promise) {
      return first.then((handled) => this.#complete(request, handled, candidates, next));
    }
    return this.#complete(request, first, candidates, next);
  }

  #candidates({ query, client }: DnsRequest): string[] | undefined {
    const { name, type } = query;
    if (client === undefined || query.class !== CLASS_IN) return undefined;
    // A signed answer can't be made up.
    if ((type !== TYPE.A && type !== TYPE.AAAA) || query.edns?.dnssecOk) return undefined;
    if (!query.recursionDesired || !name.endsWith(this.#options.zone)) return undefined;
    const pod = this.#options.podOf(client.address);
    if (pod === undefined) return undefined;
    const { zone, hostDomains } = this.#options;
    return restOfSearchPath(name, { ...pod, zone, hostDomains: hostDomains() });
  }

  #complete(
    request: DnsRequest,
    first: Handled,
    candidates: readonly string[],
    next: Next,
  ): Handled | Promise<Handled> {
    // Only the zone knows that there is nothing. A name that leads to one that does not exist does exist.
    const { rcode, answers } = first.answer;
    if (first.source !== "cluster" || rcode !== RCODE.NXDOMAIN || answers > 0) return first;
    return this.#walk(request, first, candidates, next);
  }

  async #walk(
    request: DnsRequest,
    first: Handled,
    candidates: readonly string[],
    next: Next,
  ): Promise<Handled> {
    const passed: string[] = [request.query.name];
    for (const candidate of candidates) {
      const handled = await next({ ...request, query: { ...request.query, name: candidate } });
      const { rcode } = handled.answer;
      if (rcode === RCODE.NOERROR) {
        const why = `search path: there is no ${
          passed.join(", no ")
        }; ${candidate}: ${handled.why}`;
        const { name, type } = request.query;
        return {
          ...handled,
          answer: alias(name, candidate, type, handled.answer),
          source: "search",
          why,
        };
      }
      // Whether this one exists is not known: the client walks by itself.
      if (rcode !== RCODE.NXDOMAIN) break;
      passed.push(candidate);
    }
    return first;
  }
}

/** The answer to the question for `target` as one to the question for `name`. */
function alias(name: string, target: string, type: number, answer: Answer): Answer {
  const { answers, authorities, additionals } = readAnswer(target, type, answer);
  const ttlSeconds = Math.min(
    MAX_TTL_SECONDS,
    ...[...answers, ...authorities].map((record) => record.ttlSeconds),
  );
  const cname = {
    name,
    type: TYPE.CNAME,
    class: CLASS_IN,
    ttlSeconds,
    data: { kind: "name" as const, target },
  };
  return createAnswer(name, {
    rcode: answer.rcode,
    authoritative: answer.authoritative,
    answers: [cname, ...answers],
    authorities,
    additionals,
    extendedError: answer.extendedError,
  });
}
