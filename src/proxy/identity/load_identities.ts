import type { Clock } from "../../kernel/clock.ts";
import { toAnswer } from "../../kube/answer.ts";
import type { Fs } from "../../platform/fs.ts";
import type { ProxyConfig } from "../config.ts";
import type { CloudLink } from "../link/cloud_link.ts";
import { type KeptAnswers, provenKey } from "../store/kept.ts";
import { bearerCredential, hashToken } from "../upstream/credentials.ts";
import { fromCloud } from "../upstream/forward.ts";
import type { Renewals } from "../upstream/renewals.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { Identities } from "./identity.ts";
import { IssuerKeys } from "./issuer_keys.ts";
import { LocalTokens } from "./local_tokens.ts";
import { ServiceAccounts } from "./service_accounts.ts";

/** What identities are put together from. */
export interface IdentityParts {
  fs: Fs;
  clock: Clock;
  stateDir: string;
  kept: KeptAnswers;
  link: Pick<CloudLink, "isOpen">;
  upstream: Pick<Upstream, "send">;
  renewals: Renewals;
  /** Aborts when the agent stops. */
  signal: AbortSignal;
}

/** Largest document of an issuer that is read. */
const MAX_DOCUMENT_BYTES = 1024 * 1024;

/**
 * The configured identities, their local tokens, and the ServiceAccounts that come with tokens of their own.
 *
 * @throws {UsageError} when a local token can't be used
 */
export async function loadIdentities(
  config: ProxyConfig,
  parts: IdentityParts,
): Promise<{ identities: Identities; tokens: LocalTokens }> {
  const { fs, clock, stateDir, kept, link, renewals } = parts;
  const randomToken = () => hashToken(crypto.randomUUID() + crypto.randomUUID());
  const names = config.identities.map(({ name }) => name);
  const tokens = await LocalTokens.load(names, { stateDir, fs, randomToken });
  const isOpen = () => link.isOpen;
  const keys = new IssuerKeys({
    kept,
    clock,
    isOpen,
    get: async (path, accept, token) =>
      await toAnswer(await show(parts, token, path, accept), parts.signal, MAX_DOCUMENT_BYTES),
  });
  const serviceAccounts = new ServiceAccounts({
    keys,
    clock,
    isOpen,
    // Whoever may do nothing at all may ask that: only a token that is no good is answered 401.
    async ask(token) {
      try {
        const response = await show(parts, token, "/version", "application/json");
        await response.body?.cancel();
        if (response.status === 401) return "refused";
        // One that shuts down, or ails, says so before it looks at anybody's token.
        return response.status === 429 || response.status >= 500 ? "unreachable" : "accepted";
      } catch {
        return "unreachable";
      }
    },
    audiences: config.tokenAudiences ?? [],
    offlineGraceMs: config.offlineTokenGrace ?? Infinity,
    renewed: (key) => renewals.renew(key),
  });
  const { passthrough } = config;
  const isProven = (key: string) => kept.get(provenKey(key)) !== undefined;
  const options = { passthrough, isProven, tokens, serviceAccounts, fs, clock };
  return { identities: new Identities(config.identities, options), tokens };
}

/** The cloud's answer to a GET with a bearer's token. @throws {UnreachableError} */
async function show(
  { upstream, signal }: IdentityParts,
  token: string,
  pathAndQuery: string,
  accept: string,
): Promise<Response> {
  const credential = bearerCredential(token);
  const headers = new Headers({ accept, "user-agent": "edge-agent" });
  const request = { method: "GET", pathAndQuery, headers, purpose: "short", signal } as const;
  return await fromCloud(await upstream.send(credential, request), credential.key);
}
