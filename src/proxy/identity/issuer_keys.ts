import type { JSONWebKeySet } from "jose";
import type { Clock } from "../../kernel/clock.ts";
import { Singleflight } from "../../kernel/singleflight.ts";
import type { Answer } from "../../kube/answer.ts";
import { parseJson } from "../../kube/codec/json.ts";
import { discoveryKey, type KeptAnswers } from "../store/kept.ts";
import { hashToken } from "../upstream/credentials.ts";

/** Where the API server says who issues its tokens (OpenID Connect Discovery 1.0, KEP-1393), and the keys. */
const ISSUER = { path: "/.well-known/openid-configuration", accept: "application/json" };
/** kube-apiserver answers 406 to anybody who asks for plain JSON. */
const KEYS = { path: "/openid/v1/jwks", accept: "application/jwk-set+json" };

const DAY_MS = 24 * 3_600_000;
/** A key that is not there a moment after they were fetched is no key of the cluster. */
const MIN_REFETCH_MS = 60_000;

/** Signatures with a public key. Nothing that a secret, or nobody, could have made (RFC 8725 3.1). */
const ALGORITHMS = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
];

/** What the keys are fetched with. */
export interface IssuerKeysOptions {
  kept: Pick<KeptAnswers, "get" | "keep">;
  clock: Clock;
  /** Whether the cloud can be asked. */
  isOpen(): boolean;
  /**
   * GETs a document of the cloud with somebody's token: every ServiceAccount may read these two, a node may
   * not.
   */
  get(path: string, accept: string, token: string): Promise<Answer>;
}

/** The cluster's token issuer and its keys, kept for the time without a link. */
export class IssuerKeys {
  readonly #options: IssuerKeysOptions;
  readonly #fetching = new Singleflight<void>();
  #fetchedAt = -Infinity;

  constructor(options: IssuerKeysOptions) {
    this.#options = options;
  }

  /**
   * The issuer, if a key of it signed the token; undefined if not, or if the keys are not known. They are
   * fetched when they are missing, a day old, or don't have the one that is named.
   */
  async issuerOf(token: string): Promise<string | undefined> {
    const known = this.#load();
    // Of another day, be it to come: the clock may have been wrong.
    const old = known === undefined ||
      Math.abs(this.#options.clock.now() - known.atMs) > DAY_MS;
    if (old) await this.#fetch(token);
    const first = await this.#verify(token);
    if (first !== undefined || old) return first;
    await this.#fetch(token);
    return await this.#verify(token);
  }

  async #verify(token: string): Promise<string | undefined> {
    const known = this.#load();
    if (known === undefined) return undefined;
    // Loaded with the first token: most nodes' clients have none.
    const { compactVerify, createLocalJWKSet } = await import("jose");
    try {
      await compactVerify(token, createLocalJWKSet(known.keys), { algorithms: ALGORITHMS });
      return known.issuer;
    } catch {
      return undefined;
    }
  }

  #load(): { issuer: string; keys: JSONWebKeySet; atMs: number } | undefined {
    const { kept } = this.#options;
    const configuration = kept.get(discoveryKey(ISSUER.path, ISSUER.accept));
    const set = kept.get(discoveryKey(KEYS.path, KEYS.accept));
    if (configuration === undefined || set === undefined) return undefined;
    try {
      const { issuer } = parseJson(configuration.body) as { issuer?: unknown };
      const keys = parseJson(set.body) as JSONWebKeySet;
      if (typeof issuer !== "string" || !Array.isArray(keys?.keys)) return undefined;
      return { issuer, keys, atMs: set.atMs };
    } catch (error) {
      if (error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  /** Fetches both, if the cloud can be asked and did not just give them. A failure leaves what is known. */
  async #fetch(token: string): Promise<void> {
    const { clock, isOpen, get, kept } = this.#options;
    // By token: one that the cloud refuses must not stand for the good one that waits beside it.
    await this.#fetching.do(hashToken(token), async () => {
      if (!isOpen() || clock.monotonic() - this.#fetchedAt < MIN_REFETCH_MS) return;
      for (const { path, accept } of [ISSUER, KEYS]) {
        const answer = await get(path, accept, token).catch(() => undefined);
        if (answer?.status !== 200) return;
        kept.keep(discoveryKey(path, accept), answer);
      }
      this.#fetchedAt = clock.monotonic();
    });
  }
}
