import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import type { Clock } from "../../kernel/clock.ts";
import { errorMessage, UsageError } from "../../kernel/errors.ts";
import { Singleflight } from "../../kernel/singleflight.ts";
import { parseKubeconfig } from "../../kube/kubeconfig.ts";
import type { Fs } from "../../platform/fs.ts";
import type { IdentityConfig } from "../config.ts";
import { readClaims } from "../identity/jwt.ts";

/** What the agent shows the cloud. */
export interface Credential {
  /** Whose connections these are. */
  key: string;
  /** Rises when the files change: only then are connections made anew. */
  version: number;
  /** PEM texts. */
  certificate?: { cert: string; key: string };
  token?: string;
}

/** A bearer token of the client's own, sent without any certificate: the apiserver tries x509 first. */
export function bearerCredential(token: string): Credential {
  return { key: `bearer:${hashToken(token)}`, version: 0, token };
}

/** Nothing at all. */
export const ANONYMOUS: Credential = { key: "anonymous", version: 0 };

/** SHA-256 of a token in hex: the agent never keeps or logs the token itself. */
export function hashToken(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

/** What an operator wants to know of a credential. */
export interface CredentialStatus {
  kind: "certificate" | "token" | "none";
  /** When it ends, ms since the Unix epoch; undefined if that is not known. */
  expiresAtMs: number | undefined;
  /** Why its files can't be read, or why the cloud does not take it; undefined if all is well. */
  error: string | undefined;
}

/** Files are looked at again when this much time has passed. */
const RECHECK_MS = 5_000;

/** The upstream credential of an identity, read from its files and read again when they change. */
export class CredentialSource {
  readonly #config: IdentityConfig;
  readonly #fs: Fs;
  readonly #clock: Clock;
  readonly #look = new Singleflight<Credential>();
  #checkedAt = -Infinity;
  #fingerprint = "";
  #current: Credential | undefined;
  #unreadable: string | undefined;
  #rejected = false;

  constructor(config: IdentityConfig, fs: Fs, clock: Clock) {
    this.#config = config;
    this.#fs = fs;
    this.#clock = clock;
  }

  /**
   * The credential as of at most 5 s ago.
   *
   * @throws when its files are missing or broken and none was read before
   */
  current(): Promise<Credential> {
    // Together, or two first callers would read two versions, and each close the other's connections.
    return this.#look.do("", () => this.#lookAgain());
  }

  async #lookAgain(): Promise<Credential> {
    const now = this.#clock.monotonic();
    if (this.#current !== undefined && now - this.#checkedAt < RECHECK_MS) return this.#current;
    this.#checkedAt = now;
    try {
      const { paths, read } = await this.#open();
      const fingerprint = JSON.stringify(await Promise.all(paths.map((p) => this.#fs.stat(p))));
      if (this.#current === undefined || fingerprint !== this.#fingerprint) {
        const credential = await read();
        const version = (this.#current?.version ?? 0) + 1;
        this.#current = { key: `identity:${this.#config.name}`, version, ...credential };
        this.#fingerprint = fingerprint;
        this.#rejected = false;
      }
      this.#unreadable = undefined;
    } catch (error) {
      this.#unreadable = errorMessage(error);
      // A file that is being replaced may be away for a moment: the last good one serves on.
      if (this.#current === undefined) throw error;
    }
    return this.#current;
  }

  /** Why the files could not be read when they were last looked at; undefined if they could. */
  get unreadable(): string | undefined {
    return this.#unreadable;
  }

  /** The cloud answered: 401, or anything else. */
  answered(status: number): void {
    this.#rejected = status === 401;
  }

  /** How the credential is doing. */
  status(): CredentialStatus {
    const { certificate, token } = this.#current ?? {};
    const rejected = this.#rejected ? "the API server answers 401 to it" : undefined;
    const error = this.#unreadable ?? rejected;
    if (certificate !== undefined) {
      const expiresAtMs = Date.parse(new X509Certificate(certificate.cert).validTo);
      return { kind: "certificate", expiresAtMs, error };
    }
    if (token !== undefined) {
      const expiresAt = readClaims(token)?.expiresAt;
      return { kind: "token", expiresAtMs: expiresAt && expiresAt * 1_000, error };
    }
    return { kind: "none", expiresAtMs: undefined, error };
  }

  /** The files of the credential, and how they are read. */
  async #open(): Promise<
    { paths: string[]; read: () => Promise<Pick<Credential, "certificate" | "token">> }
  > {
    const { name, kubeconfig, certFile, keyFile, tokenFile } = this.#config;
    const fs = this.#fs;
    if (kubeconfig !== undefined) {
      // The kubelet's stays as it is while the certificate that it points to is rotated.
      const parsed = parseKubeconfig(await fs.readText(kubeconfig), kubeconfig, fs);
      return {
        paths: [kubeconfig, ...parsed.credentialFiles()],
        read: async () => {
          const { certificate, token } = await parsed.credential();
          if (certificate === undefined) return { token };
          const { cert, key } = certificate;
          return { certificate: checkPair(cert, key, kubeconfig, kubeconfig) };
        },
      };
    }
    if (tokenFile !== undefined) {
      const read = async () => ({ token: (await fs.readText(tokenFile)).trim() });
      return { paths: [tokenFile], read };
    }
    if (certFile !== undefined) {
      const keyPath = keyFile ?? certFile;
      const read = async () => {
        const [cert, key] = [await fs.readText(certFile), await fs.readText(keyPath)];
        return { certificate: checkPair(cert, key, certFile, keyPath) };
      };
      return { paths: [certFile, keyPath], read };
    }
    throw new UsageError(
      `Cannot speak for the identity "${name}": it has none of kubeconfig, certFile and tokenFile`,
    );
  }
}

/**
 * The certificates and the key in two PEM texts. In the middle of a rotation the new certificate may lie
 * beside the old key.
 *
 * @throws {UsageError} when one of them is missing or can't be read, or the key is another certificate's
 */
function checkPair(
  certText: string,
  keyText: string,
  certPath: string,
  keyPath: string,
): { cert: string; key: string } {
  const [cert, key] = [pemBlocks(certText, /CERTIFICATE$/), pemBlocks(keyText, /PRIVATE KEY$/)];
  if (cert === "") {
    throw new UsageError(`Cannot read ${certPath}: it holds no PEM block "CERTIFICATE"`);
  }
  if (key === "") {
    throw new UsageError(`Cannot read ${keyPath}: it holds no PEM block "PRIVATE KEY"`);
  }
  let fits: boolean;
  try {
    fits = new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch (cause) {
    const message = `Cannot use the certificate in ${certPath}: ${errorMessage(cause)}`;
    throw new UsageError(message, { cause });
  }
  if (fits) return { cert, key };
  throw new UsageError(
    `Cannot use the certificate in ${certPath}: the key in ${keyPath} belongs to another one`,
  );
}

/** The blocks of a kind: the kubelet keeps certificate and key in one file. */
function pemBlocks(text: string, kind: RegExp): string {
  const blocks = text.matchAll(/-----BEGIN ([A-Z ]+)-----[^-]+-----END \1-----/g);
  return [...blocks].filter((block) => kind.test(block[1]!)).map((block) => block[0]).join("\n");
}
