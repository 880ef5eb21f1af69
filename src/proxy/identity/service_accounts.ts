import type { Clock } from "../../kernel/clock.ts";
import { Singleflight } from "../../kernel/singleflight.ts";
import { hashToken } from "../upstream/credentials.ts";
import type { IssuerKeys } from "./issuer_keys.ts";
import { areMeant, hasBegun, hasEnded, readClaims, type TokenClaims } from "./jwt.ts";

/** What the cloud says of a token; `unreachable`: nothing. */
export type CloudVerdict = "accepted" | "refused" | "unreachable";

/** What tokens are judged with. */
export interface ServiceAccountsOptions {
  keys: Pick<IssuerKeys, "issuerOf">;
  clock: Clock;
  /** Whether the cloud can be asked. */
  isOpen(): boolean;
  /** Shows the cloud a token. */
  ask(token: string): Promise<CloudVerdict>;
  /** Audiences that the API server takes beside its issuer's name. */
  audiences: readonly string[];
  /** How long past its end a token counts while the link is down, ms. */
  offlineGraceMs: number;
  /** Somebody who had no good token any more has one again. @param key see {@linkcode subjectKey} */
  renewed(key: string): void;
}

/** What is known of what a token says; whoever changes its signature's spelling has the same token. */
interface Judged {
  claims: TokenClaims;
  verdict: CloudVerdict;
  /** Monotonic. */
  askedAt: number;
}

/** A node runs at most some hundred pods, each with few tokens. */
const MAX_TOKENS = 2_000;
/** A token that the cloud accepted is shown to it again after so long: its pod may be gone. */
const ACCEPTED_MS = 600_000;
/** The same for a refused one: the API server may not have known its ServiceAccount yet. */
const REFUSED_MS = 10_000;
/** A token that nobody known signed is looked at again: the keys may have come meanwhile. */
const UNKNOWN_MS = 60_000;

const PREFIX = "system:serviceaccount:";

/** The owner of what is kept for a ServiceAccount, whichever of its tokens asks. */
export function subjectKey(subject: string): string {
  return `serviceaccount:${subject.slice(PREFIX.length)}`;
}

/**
 * Whose tokens the bearers of ServiceAccounts are. A token proves its ServiceAccount when the cluster's keys
 * signed it for the API server, and the cloud accepts it; while the cloud can't be asked, when its time has
 * come and not run out for longer than the grace.
 */
export class ServiceAccounts {
  readonly #options: ServiceAccountsOptions;
  readonly #asking = new Singleflight<void>();
  /**
   * By hash, the ones not seen for longest first. Tokens that differ only in how their signature is written share
   * what is known: base64url has several spellings of one, and ECDSA two of each.
   */
  readonly #judged = new Map<string, Judged>();
  /** The same by the hash of what was signed. */
  readonly #signed = new Map<string, Judged>();
  /** Hashes of tokens that are of nobody known, and when that was found, monotonic. */
  readonly #unknown = new Map<string, number>();
  /** The newest good token of each ServiceAccount, by its key. */
  readonly #newest = new Map<string, { token: string; hash: string; issuedAt: number }>();

  constructor(options: ServiceAccountsOptions) {
    this.#options = options;
  }

  /** The cloud is another cluster: what it said of tokens was said by the former. */
  forget(): void {
    this.#judged.clear();
    this.#signed.clear();
    this.#unknown.clear();
    this.#newest.clear();
  }

  /** The user name of the ServiceAccount that a token proves; undefined if it proves none now. */
  async subjectOf(token: string): Promise<string | undefined> {
    const { isOpen, clock, offlineGraceMs } = this.#options;
    const hash = hashToken(token);
    const judged = await this.#judge(token, hash);
    if (judged === undefined) return undefined;
    if (isOpen()) await this.#asking.do(hash, () => this.#ask(token, judged));
    const { claims, verdict } = judged;
    if (verdict === "refused") return undefined;
    // As long as the cloud can be asked it is the one to say what the time is. What it once accepted has
    // begun, whatever the clock says.
    const accepted = verdict === "accepted";
    const now = clock.now();
    if (!accepted && !hasBegun(claims, now)) return undefined;
    const online = accepted && isOpen();
    if (!online && hasEnded(claims, now, offlineGraceMs)) return undefined;
    this.#use(token, hash, claims);
    return claims.subject;
  }

  /** The cloud answered 401 to a token. */
  refused(token: string): void {
    const judged = this.#judged.get(hashToken(token));
    if (judged === undefined) return;
    judged.verdict = "refused";
    judged.askedAt = this.#options.clock.monotonic();
  }

  /** The token by which the agent speaks for a ServiceAccount: the newest that the cloud did not refuse. */
  tokenOf(key: string): string | undefined {
    const newest = this.#newest.get(key);
    if (newest === undefined || this.#isRefused(newest.hash)) return undefined;
    return newest.token;
  }

  async #judge(token: string, hash: string): Promise<Judged | undefined> {
    const { clock, keys, audiences } = this.#options;
    const known = this.#judged.get(hash);
    if (known !== undefined) {
      keep(this.#judged, hash, known);
      return known;
    }
    const claims = readClaims(token);
    const now = clock.monotonic();
    const looked = now - (this.#unknown.get(hash) ?? -Infinity) < UNKNOWN_MS;
    if (claims === undefined || looked) return undefined;
    const issuer = await keys.issuerOf(token);
    if (issuer === undefined || !areMeant(claims, { issuer, audiences: [issuer, ...audiences] })) {
      keep(this.#unknown, hash, now);
      return undefined;
    }
    const signed = hashToken(token.slice(0, token.lastIndexOf(".")));
    const judged = this.#signed.get(signed) ??
      { claims, verdict: "unreachable", askedAt: -Infinity };
    keep(this.#signed, signed, judged);
    keep(this.#judged, hash, judged);
    return judged;
  }

  async #ask(token: string, judged: Judged): Promise<void> {
    const { clock, ask } = this.#options;
    const age = clock.monotonic() - judged.askedAt;
    if (judged.verdict === "accepted" && age < ACCEPTED_MS) return;
    if (judged.verdict === "refused" && age < REFUSED_MS) return;
    const verdict = await ask(token);
    // What it said before outlives its absence.
    if (verdict === "unreachable") return;
    judged.verdict = verdict;
    judged.askedAt = clock.monotonic();
  }

  #use(token: string, hash: string, { subject, issuedAt }: TokenClaims): void {
    const key = subjectKey(subject);
    const newest = this.#newest.get(key);
    const stuck = newest !== undefined && this.#isRefused(newest.hash);
    const older = newest !== undefined && issuedAt < newest.issuedAt;
    keep(this.#newest, key, !older || stuck ? { token, hash, issuedAt } : newest);
    if (stuck) this.#options.renewed(key);
  }

  #isRefused(hash: string): boolean {
    return this.#judged.get(hash)?.verdict === "refused";
  }
}

/** Puts an entry last, and drops the first when there are too many. */
function keep<T>(entries: Map<string, T>, key: string, value: T): void {
  entries.delete(key);
  entries.set(key, value);
  if (entries.size > MAX_TOKENS) entries.delete(entries.keys().next().value!);
}
