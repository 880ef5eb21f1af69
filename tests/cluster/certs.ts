/**
 * The cluster's certificate authority and the files it issues.
 *
 * @module
 */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./command.ts";

/** A certificate and its key, as PEM files. */
export interface CertFiles {
  readonly cert: string;
  readonly key: string;
}

/** What a certificate says. */
export interface CertOptions {
  /** Base name of its files. */
  readonly file: string;
  readonly commonName: string;
  /** Groups, for a client. */
  readonly organizations?: readonly string[];
  /** Names and addresses, for a server: `DNS:localhost`, `IP:127.0.0.1`. */
  readonly subjectAltNames?: readonly string[];
}

const DAYS = "30";

/** Issues certificates into one folder. */
export class Authority {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Creates the authority's own certificate. */
  static async create(folder: string): Promise<Authority> {
    const authority = new Authority(folder);
    await authority.#request("ca", ["CN = kubernetes"], [
      "basicConstraints = critical,CA:TRUE",
      "keyUsage = critical,digitalSignature,keyCertSign,cRLSign",
      "subjectKeyIdentifier = hash",
    ]);
    return authority;
  }

  /** The authority's certificate and key. */
  get files(): CertFiles {
    return this.#paths("ca");
  }

  /** Issues a certificate for a client, or with names for a server. */
  async issue(options: CertOptions): Promise<CertFiles> {
    const { file, commonName, organizations = [], subjectAltNames = [] } = options;
    for (const value of [file, commonName, ...organizations]) {
      if (!/^[\w:.-]+$/.test(value)) {
        throw new SyntaxError(`Cannot issue a certificate with the name ${JSON.stringify(value)}`);
      }
    }
    const subject = [
      ...organizations.map((organization, index) => `${index}.O = ${organization}`),
      `CN = ${commonName}`,
    ];
    const isServer = subjectAltNames.length > 0;
    const ca = this.files;
    await this.#request(file, subject, [
      "basicConstraints = critical,CA:FALSE",
      "keyUsage = critical,digitalSignature",
      `extendedKeyUsage = ${isServer ? "serverAuth" : "clientAuth"}`,
      "authorityKeyIdentifier = keyid",
      ...(isServer ? [`subjectAltName = ${subjectAltNames.join(",")}`] : []),
    ], ["-CA", ca.cert, "-CAkey", ca.key]);
    return this.#paths(file);
  }

  /** A key pair for service account tokens: RSA as kubeadm makes it, so the tokens are RS256. */
  async createTokenKeys(): Promise<{ readonly privateKey: string; readonly publicKey: string }> {
    const privateKey = join(this.#folder, "sa.key");
    const publicKey = join(this.#folder, "sa.pub");
    await run(["openssl", "genrsa", "-out", privateKey, "2048"]);
    await run(["openssl", "rsa", "-in", privateKey, "-pubout", "-out", publicKey]);
    return { privateKey, publicKey };
  }

  async #request(
    file: string,
    subject: readonly string[],
    extensions: readonly string[],
    signer: readonly string[] = [],
  ): Promise<void> {
    // A configuration of our own: the distribution's adds extensions that differ between releases.
    const config = join(this.#folder, `${file}.cnf`);
    const head = ["[req]", "prompt = no", "distinguished_name = subject", "x509_extensions = ext"];
    await writeFile(
      config,
      [...head, "[subject]", ...subject, "[ext]", ...extensions, ""].join("\n"),
    );
    const { cert, key } = this.#paths(file);
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"];
    await run([
      ...["openssl", "req", "-x509", "-config", config, "-days", DAYS, "-sha256"],
      ...[...curve, "-keyout", key, "-out", cert, ...signer],
    ]);
  }

  #paths(file: string): CertFiles {
    return { cert: join(this.#folder, `${file}.crt`), key: join(this.#folder, `${file}.key`) };
  }
}
