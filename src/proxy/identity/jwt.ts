import { Buffer } from "node:buffer";

/** What is looked at of a ServiceAccount's token (RFC 7519 4.1). Times in seconds since the Unix epoch. */
export interface TokenClaims {
  issuer: string;
  subject: string;
  audiences: string[];
  issuedAt: number;
  notBefore: number;
  expiresAt: number;
}

/** Who signed tokens of the cluster, for whom, and which keys check it. */
export interface ClaimRules {
  issuer: string;
  /** One of them must be among the token's. */
  audiences: readonly string[];
}

/** As kube-apiserver's: clocks differ. */
const LEEWAY_S = 60;

/** kube-apiserver's own tokens have about 1 KB. */
const MAX_TOKEN_LENGTH = 16 * 1024;

const SERVICE_ACCOUNT = /^system:serviceaccount:[a-z0-9.-]+:[a-z0-9.-]+$/;

/**
 * What a token says of itself, before anything of it is believed; undefined when it is no token of a
 * ServiceAccount. Of any bytes.
 */
export function readClaims(token: string): TokenClaims | undefined {
  const parts = token.split(".");
  if (parts.length !== 3 || token.length > MAX_TOKEN_LENGTH) return undefined;
  let payload: Record<string, unknown>;
  try {
    payload = JSON.parse(Buffer.from(parts[1]!, "base64url").toString("utf8"));
  } catch {
    return undefined;
  }
  if (typeof payload !== "object" || payload === null) return undefined;
  const { iss, sub, aud, iat, nbf, exp } = payload;
  const audiences = typeof aud === "string" ? [aud] : aud;
  if (typeof iss !== "string" || typeof sub !== "string" || !SERVICE_ACCOUNT.test(sub)) {
    return undefined;
  }
  if (!Array.isArray(audiences) || audiences.some((each) => typeof each !== "string")) {
    return undefined;
  }
  // Tokens of old, from Secrets, end never; what reads them is the cloud.
  if (typeof exp !== "number" || typeof iat !== "number") return undefined;
  if (nbf !== undefined && typeof nbf !== "number") return undefined;
  return {
    issuer: iss,
    subject: sub,
    audiences,
    issuedAt: iat,
    notBefore: nbf ?? iat,
    expiresAt: exp,
  };
}

/** Whether a token is of this issuer, and meant for this API server. */
export function areMeant(claims: TokenClaims, { issuer, audiences }: ClaimRules): boolean {
  return claims.issuer === issuer && claims.audiences.some((each) => audiences.includes(each));
}

/** Whether the time of a token has come. */
export function hasBegun({ notBefore }: TokenClaims, nowMs: number): boolean {
  return notBefore <= nowMs / 1_000 + LEEWAY_S;
}

/** Whether the time of a token is over. @param graceMs how long after its end it still counts */
export function hasEnded({ expiresAt }: TokenClaims, nowMs: number, graceMs: number): boolean {
  return nowMs / 1_000 > expiresAt + LEEWAY_S + graceMs / 1_000;
}
