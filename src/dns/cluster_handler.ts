import type { DnsRequest, Handled, Handler, Next } from "./chain.ts";
import { createTargetResolver } from "./target_resolver.ts";
import { CLASS_IN } from "./wire/record_type.ts";
import { followChase, leaveChase } from "./zone/chase.ts";
import type { ZoneAnswer } from "./zone/cluster_zone.ts";

/** The cluster's zones: see `zone/cluster_zone.ts`. */
export interface AnsweringZone {
  /** @param name a key */
  answer(name: string, type: number): ZoneAnswer;
}

/**
 * Answers what is in the cluster's zones, so that none of their names is ever asked for elsewhere. What
 * an ExternalName Service leads to, the handlers behind resolve.
 */
export class ClusterHandler implements Handler {
  readonly name = "cluster";
  readonly #zone: AnsweringZone;

  constructor(zone: AnsweringZone) {
    this.#zone = zone;
  }

  handle(request: DnsRequest, next: Next): Handled | Promise<Handled> {
    const { query } = request;
    if (query.class !== CLASS_IN) return next(request);
    const said = this.#zone.answer(query.name, query.type);
    switch (said.state) {
      case "answered":
        return { answer: said.answer, source: "cluster", why: said.why };
      case "elsewhere":
        return next(request);
      case "chase":
        // Who desires no recursion must not cause one.
        if (!query.recursionDesired) {
          const why = `${said.why}; recursion is not desired`;
          return { answer: leaveChase(said.chase), source: "cluster", why };
        }
        return this.#follow(said, request, next);
      default:
        return said satisfies never;
    }
  }

  async #follow(
    { chase, why }: Extract<ZoneAnswer, { state: "chase" }>,
    { client }: DnsRequest,
    next: Next,
  ): Promise<Handled> {
    let behind = "";
    const resolve = createTargetResolver(async (request) => {
      const handled = await next({ ...request, client });
      behind = handled.why;
      return handled;
    });
    const answer = await followChase(chase, resolve);
    return { answer, source: "cluster", why: `${why}; ${chase.target}: ${behind}` };
  }
}
