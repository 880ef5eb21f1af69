import { parseAuthorities, type TlsTexts } from "../../platform/client_certificate.ts";
import { type Fs, isNotFound } from "../../platform/fs.ts";
import { loadServingCertificate, servingFiles } from "./serving_certificate.ts";

/** What the listener's files are read with. */
export interface ListenerFilesOptions {
  fs: Fs;
  stateDir: string;
  /** Wall clock, ms since the Unix epoch. */
  now: () => number;
  /** Names and addresses that clients connect to. */
  hosts: readonly string[];
  /** Path of the authorities of client certificates; undefined if nobody is to be asked for one. */
  clientCaFile: string | undefined;
}

const DAY_MS = 24 * 3_600_000;

/** What the TLS listener shows and whom it knows, as the files say now. */
export class ListenerFiles {
  readonly #options: ListenerFilesOptions;
  #fingerprint = "";
  #checkedAt = 0;
  #ca = "";
  /** The last that was read. */
  #clientCa: string | undefined;

  constructor(options: ListenerFilesOptions) {
    this.#options = options;
  }

  /** PEM of the authority that clients must trust; after {@linkcode ListenerFiles.load}. */
  get ca(): string {
    return this.#ca;
  }

  /**
   * The texts to begin with. A certificate that is missing is made. While the file with the clients'
   * authorities is missing, as before a node joins, no client's certificate is good.
   *
   * @throws {UsageError} when that file holds no certificate
   */
  async load(): Promise<TlsTexts> {
    const { hosts, now } = this.#options;
    const { cert, key, ca } = await loadServingCertificate(hosts, this.#options);
    this.#checkedAt = now();
    this.#ca = ca;
    // An authority that signs no clients: the listener must ask for certificates from the beginning.
    this.#clientCa = ca;
    const clientCa = await this.#readClientCa();
    this.#fingerprint = await this.#look();
    return { cert, key, clientCa };
  }

  /**
   * Hands on the texts if a file changed since they were taken the last time.
   *
   * @param take throws what makes them unusable: they are tried again
   * @returns whether anything changed
   */
  async renew(take: (texts: TlsTexts) => void): Promise<boolean> {
    const { fs, stateDir, now, hosts } = this.#options;
    // In either direction: the clock may jump.
    if (Math.abs(now() - this.#checkedAt) > DAY_MS) {
      await loadServingCertificate(hosts, this.#options);
      this.#checkedAt = now();
    }
    const fingerprint = await this.#look();
    if (fingerprint === this.#fingerprint) return false;
    const files = servingFiles(stateDir);
    const [cert, key] = [await fs.readText(files.cert), await fs.readText(files.key)];
    take({ cert, key, clientCa: await this.#readClientCa() });
    this.#fingerprint = fingerprint;
    return true;
  }

  async #readClientCa(): Promise<string | undefined> {
    const { fs, clientCaFile } = this.#options;
    if (clientCaFile === undefined) return undefined;
    try {
      const text = await fs.readText(clientCaFile);
      parseAuthorities(text);
      return this.#clientCa = text;
    } catch (error) {
      // Not there yet, or being replaced.
      if (isNotFound(error)) return this.#clientCa;
      throw error;
    }
  }

  async #look(): Promise<string> {
    const { fs, stateDir, clientCaFile } = this.#options;
    const { cert, key } = servingFiles(stateDir);
    const paths = clientCaFile === undefined ? [cert, key] : [cert, key, clientCaFile];
    return JSON.stringify(await Promise.all(paths.map((path) => fs.stat(path))));
  }
}
