import { timingSafeEqual } from "node:crypto";
import type { Clock } from "../../kernel/clock.ts";
import { errorMessage } from "../../kernel/errors.ts";
import type { Fs } from "../../platform/fs.ts";
import type { IdentityConfig } from "../config.ts";
import {
  ANONYMOUS,
  bearerCredential,
  type Credential,
  CredentialSource,
  hashToken,
} from "../upstream/credentials.ts";

/** Who asks. `key` is the owner of everything that is kept for them. */
export type Caller =
  | { kind: "identity"; name: string; key: string }
  | { kind: "bearer"; token: string; key: string }
  | { kind: "anonymous"; key: string };

/** One configured identity at work. */
interface Known {
  caller: Caller & { kind: "identity" };
  /** SHA-256 of the local token: equal lengths, so the compare leaks nothing. */
  digest: Uint8Array;
  source: CredentialSource;
}

/** A node runs at most some hundred pods. */
const MAX_BEARERS = 1_000;

const encoder = new TextEncoder();

/** The configured identities and the tokens by which local clients claim them. */
export class Identities {
  readonly #known: Known[];
  readonly #passthrough: boolean;
  /** The newest bearers, for the reflectors that run on them. */
  readonly #bearers = new Map<string, Credential>();

  private constructor(known: Known[], passthrough: boolean) {
    this.#known = known;
    this.#passthrough = passthrough;
  }

  /**
   * Reads the local tokens `tokens/<name>` (0600), making those that are missing.
   *
   * @param randomToken an unguessable text
   */
  static async load(
    configs: readonly IdentityConfig[],
    options: {
      stateDir: string;
      passthrough: boolean;
      fs: Fs;
      clock: Clock;
      randomToken: () => string;
    },
  ): Promise<{ identities: Identities; tokens: Map<string, string> }> {
    const { stateDir, passthrough, fs, clock, randomToken } = options;
    const tokens = new Map<string, string>();
    const known: Known[] = [];
    await fs.mkdir(`${stateDir}/tokens`, 0o700);
    for (const config of configs) {
      const path = `${stateDir}/tokens/${config.name}`;
      let token = await fs.exists(path) ? (await fs.readText(path)).trim() : "";
      if (token === "") {
        token = randomToken();
        await fs.writeAtomic(path, encoder.encode(token + "\n"), 0o600);
      }
      tokens.set(config.name, token);
      known.push({
        caller: { kind: "identity", name: config.name, key: `identity:${config.name}` },
        digest: encoder.encode(hashToken(token)),
        source: new CredentialSource(config, fs, clock),
      });
    }
    return { identities: new Identities(known, passthrough), tokens };
  }

  /** Who sent these headers. A User-Agent decides nothing. */
  callerOf(headers: Headers): Caller {
    const match = /^Bearer\s+(\S+)$/i.exec(headers.get("authorization") ?? "");
    if (match === null) return { kind: "anonymous", key: "anonymous" };
    const token = match[1]!;
    const hash = hashToken(token);
    const digest = encoder.encode(hash);
    let found: Known | undefined;
    // All of them, so that the time tells nothing about which one matched.
    for (const known of this.#known) {
      if (timingSafeEqual(known.digest, digest)) found = known;
    }
    if (found !== undefined) return found.caller;
    if (!this.#passthrough) return { kind: "anonymous", key: "anonymous" };
    const caller: Caller = { kind: "bearer", token, key: `bearer:${hash}` };
    this.#remember(caller.key, token);
    return caller;
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

  /** The caller of the plain listener that is bound to an identity. */
  named(name: string): Caller {
    const known = this.#known.find(({ caller }) => caller.name === name);
    if (known === undefined) throw new RangeError(`No identity is named "${name}"`);
    return known.caller;
  }

  /**
   * The same by a caller's key, for what goes on after the request: an identity's current files, or the
   * token by which a bearer was last seen.
   */
  credentialOf(key: string): Promise<Credential> {
    const known = this.#known.find(({ caller }) => caller.key === key);
    if (known !== undefined) return known.source.current();
    const bearer = this.#bearers.get(key);
    if (bearer === undefined) {
      return Promise.reject(new Error("its bearer token is not known (yet)"));
    }
    return Promise.resolve(bearer);
  }

  /** What the cloud is shown for a caller. @throws when an identity's files can't be read yet */
  credential(caller: Caller): Promise<Credential> {
    switch (caller.kind) {
      case "identity":
        return this.#known.find((known) => known.caller.name === caller.name)!.source.current();
      case "bearer":
        return Promise.resolve(bearerCredential(caller.token));
      case "anonymous":
        return Promise.resolve(ANONYMOUS);
      default:
        return caller satisfies never;
    }
  }
}
