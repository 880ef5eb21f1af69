import { createSign, generateKeyPairSync, type KeyObject } from "node:crypto";

/** A token issuer as a kube-apiserver is one: RS256, its keys at `/openid/v1/jwks`. */
export interface TokenIssuer {
  readonly issuer: string;
  /** The bodies of its two documents. */
  readonly configuration: string;
  readonly keys: string;
  /** A token of the ServiceAccount `ns/a` unless told otherwise, good for an hour from `atMs`. */
  sign(options?: TokenOptions): string;
}

/** What a token says. */
export interface TokenOptions {
  /** When it is issued, ms since the Unix epoch; default now. */
  atMs?: number;
  claims?: Record<string, unknown>;
  header?: Record<string, unknown>;
}

/** The user name of the ServiceAccount that tokens are for. */
export const SUBJECT = "system:serviceaccount:ns:a";

/** Makes one with a new key. */
export function createTokenIssuer(
  issuer = "https://kubernetes.default.svc.cluster.local",
  kid = "key-1",
): TokenIssuer {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
  const jwk = { ...publicKey.export({ format: "jwk" }), kid, alg: "RS256", use: "sig" };
  return {
    issuer,
    configuration: JSON.stringify({ issuer, jwks_uri: `${issuer}/openid/v1/jwks` }),
    keys: JSON.stringify({ keys: [jwk] }),
    sign({ atMs = Date.now(), claims = {}, header = {} } = {}) {
      const at = Math.floor(atMs / 1_000);
      const times = { iat: at, nbf: at, exp: at + 3_600 };
      return signToken(privateKey, { alg: "RS256", kid, ...header }, {
        ...{ iss: issuer, sub: SUBJECT, aud: [issuer], ...times, ...claims },
      });
    },
  };
}

/** A JWT (RFC 7519) of these parts. */
function signToken(key: KeyObject, header: unknown, claims: unknown): string {
  const input = [header, claims].map((part) =>
    btoa(JSON.stringify(part)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")
  ).join(".");
  return `${input}.${createSign("RSA-SHA256").update(input).sign(key).toString("base64url")}`;
}
