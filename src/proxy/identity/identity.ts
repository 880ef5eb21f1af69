import type { Clock } from "../../kernel/clock.ts";
import { errorMessage } from "../../kernel/errors.ts";
import type { Peer } from "../../platform/client_certificate.ts";
import type { Fs } from "../../platform/fs.ts";
import type { IdentityConfig } from "../config.ts";
import {
  ANONYMOUS,
  bearerCredential,
  type Credential,
  CredentialSource,
  type CredentialStatus,
  hashToken,
} from "../upstream/credentials.ts";
import { LocalTokens } from "./local_tokens.ts";
import { type ServiceAccounts, subjectKey } from "./service_accounts.ts";

/**
 * Who asks. `key` is the owner of everything that is kept for them. `subject`: the ServiceAccount that a
 * bearer's token proves.
 */
export type Caller =
  | { kind: "identity"; name: string; key: string }
  | { kind: "bearer"; token: string; key: string; subject?: string }
  | { kind: "anonymous"; key: string };

/** One configured identity at work. */
interface Known {
  caller: Caller & { kind: "identity" };
  commonName: string | undefined;
  source: CredentialSource;
}

/** A node runs at most some hundred pods. */
const MAX_BEARERS = 1_000;

const NOBODY: Caller = { kind: "anonymous", key: "anonymous" };

/** The configured identities, and how clients claim them. */
export class Identities {
  readonly #known: Known[];
  readonly #tokens: LocalTokens;
  readonly #serviceAccounts: Pick<ServiceAccounts, "subjectOf" | "tokenOf" | "refused" | "forget">;
  readonly #passthrough: boolean;
  readonly #isProven: (key: string) => boolean;
  /** The newest bearers, for the reflectors that run on them. */
  readonly #bearers = new Map<string, Credential>();

  constructor(
    configs: readonly IdentityConfig[],
    options: {
      passthrough: boolean;
      /** Whether the cloud accepted a bearer before, also in a former process. @param key of the caller */
      isProven: (key: string) => boolean;
      tokens: LocalTokens;
      serviceAccounts: Pick<ServiceAccounts, "subjectOf" | "tokenOf" | "refused" | "forget">;
      fs: Fs;
      clock: Clock;
    },
  ) {
    const { passthrough, isProven, tokens, serviceAccounts, fs, clock } = options;
    this.#passthrough = passthrough;
    this.#isProven = isProven;
    this.#tokens = tokens;
    this.#serviceAccounts = serviceAccounts;
    this.#known = configs.map((config) => ({
      caller: { kind: "identity", name: config.name, key: `identity:${config.name}` },
      commonName: config.commonName,
      source: new CredentialSource(config, fs, clock),
    }));
  }

  /**
   * Who sent a request with these headers over a connection of `peer`. What it says of itself with a
   * credential counts before what its connection says, and nothing else does: a User-Agent decides nothing.
   */
  async callerOf(headers: Headers, peer?: Peer): Promise<Caller> {
    const authorization = headers.get("authorization");
    if (authorization === null) return this.#certified(peer);
    const token = /^Bearer\s+(\S+)$/i.exec(authorization)?.[1];
    if (token === undefined) return NOBODY;
    const name = this.#tokens.nameOf(token);
    if (name !== undefined) return this.named(name);
    if (!this.#passthrough) return NOBODY;
    const subject = await this.#serviceAccounts.subjectOf(token);
    if (subject !== undefined) return { kind: "bearer", token, key: subjectKey(subject), subject };
    const key = `bearer:${hashToken(token)}`;
    if (this.#isProven(key)) this.#remember(key, token);
    return { kind: "bearer", token, key };
  }

  #certified(peer: Peer | undefined): Caller {
    if (peer === undefined) return NOBODY;
    const found = this.#known.find(({ commonName }) => commonName === peer.commonName);
    return found?.caller ?? NOBODY;
  }

  #remember(key: string, token: string): void {
    this.#bearers.delete(key);
    this.#bearers.set(key, bearerCredential(token));
    if (this.#bearers.size > MAX_BEARERS) this.#bearers.delete(this.#bearers.keys().next().value!);
  }

  /** The identities whose credential can't be read now, and why. */
  async unusable(): Promise<{ name: string; error: string }[]> {
    const found: { name: string; error: string }[] = [];
    for (const { caller: { name }, source } of this.#known) {
      await source.current().catch((error) => found.push({ name, error: errorMessage(error) }));
    }
    return found;
  }

  /** The callers and credentials of all identities. */
  *sources(): Iterable<{ key: string; name: string; source: CredentialSource }> {
    for (const { caller: { key, name }, source } of this.#known) yield { key, name, source };
  }

  /** How the credentials of the identities are doing. */
  status(): ({ name: string } & CredentialStatus)[] {
    return this.#known.map(({ caller: { name }, source }) => ({ name, ...source.status() }));
  }

  /** The cloud answered with that status code to what it was shown for a caller. @param key the caller's */
  answered(key: string, { token }: Pick<Credential, "token">, status: number): void {
    const known = this.#find(key);
    if (known !== undefined) known.source.answered(status);
    else if (token !== undefined && status === 401) this.#serviceAccounts.refused(token);
    // Made-up ones, of which anybody has any number, must not push out those that reflectors run on.
    else if (token !== undefined && key.startsWith("bearer:") && status < 300) {
      this.#remember(key, token);
    }
  }

  #find(key: string): Known | undefined {
    return this.#known.find(({ caller }) => caller.key === key);
  }

  /** The identity of that name. */
  named(name: string): Caller {
    const known = this.#known.find(({ caller }) => caller.name === name);
    if (known === undefined) throw new RangeError(`No identity is named "${name}"`);
    return known.caller;
  }

  /** The cloud is another cluster: its former tokens prove nothing any more. */
  forgetTokens(): void {
    this.#serviceAccounts.forget();
  }

  /**
   * The same by a caller's key, for what goes on after the request: an identity's current files, a
   * ServiceAccount's newest token, or the token by which a bearer was last seen.
   */
  credentialOf(key: string): Promise<Credential> {
    const known = this.#find(key);
    if (known !== undefined) return known.source.current();
    const token = this.#serviceAccounts.tokenOf(key);
    const bearer = token === undefined ? this.#bearers.get(key) : bearerCredential(token);
    if (bearer === undefined) {
      return Promise.reject(new Error("there is no good bearer token of its (yet)"));
    }
    return Promise.resolve(bearer);
  }

  /** What the cloud is shown for a caller. @throws when an identity's files can't be read yet */
  credential(caller: Caller): Promise<Credential> {
    switch (caller.kind) {
      case "identity":
        return this.#find(caller.key)!.source.current();
      case "bearer":
        return Promise.resolve(bearerCredential(caller.token));
      case "anonymous":
        return Promise.resolve(ANONYMOUS);
      default:
        return caller satisfies never;
    }
  }
}
