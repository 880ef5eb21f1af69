import { timingSafeEqual } from "node:crypto";
import { UsageError } from "../../kernel/errors.ts";
import type { Fs } from "../../platform/fs.ts";
import { hashToken } from "../upstream/credentials.ts";

/** Shorter ones can be guessed, or are the rest of a file that was cut off. */
const MIN_LENGTH = 16;

const encoder = new TextEncoder();

/** What tokens are read and made with. */
export interface LocalTokenPorts {
  stateDir: string;
  fs: Fs;
  /** An unguessable text. */
  randomToken: () => string;
}

/** The tokens `tokens/<name>` (0600) by which local clients say which identity they are. */
export class LocalTokens {
  readonly #ports: LocalTokenPorts;
  /** SHA-256 of each token, in hex: equal lengths, so that a compare leaks nothing. */
  readonly #digests = new Map<string, Uint8Array>();
  readonly #tokens = new Map<string, string>();

  private constructor(ports: LocalTokenPorts) {
    this.#ports = ports;
  }

  /**
   * Reads the tokens of these identities, making those that are missing, and takes away every right to the
   * files but their owner's.
   *
   * @throws {UsageError} for a token that can be guessed
   */
  static async load(names: readonly string[], ports: LocalTokenPorts): Promise<LocalTokens> {
    const { stateDir, fs, randomToken } = ports;
    const tokens = new LocalTokens(ports);
    await fs.mkdir(`${stateDir}/tokens`, 0o700);
    for (const name of names) {
      const path = tokens.#path(name);
      let token = "";
      if (await fs.exists(path)) {
        await fs.chmod(path, 0o600);
        token = (await fs.readText(path)).trim();
      }
      if (token === "") {
        token = randomToken();
        await fs.writeAtomic(path, encoder.encode(token + "\n"), 0o600);
      }
      checkToken(token, path);
      tokens.#set(name, token);
    }
    return tokens;
  }

  /** The tokens by identity. */
  get all(): ReadonlyMap<string, string> {
    return this.#tokens;
  }

  /** The identity that a token belongs to. The time that it takes tells nothing about which one it is. */
  nameOf(token: string): string | undefined {
    const digest = encoder.encode(hashToken(token));
    let found: string | undefined;
    for (const [name, known] of this.#digests) {
      if (timingSafeEqual(known, digest)) found = name;
    }
    return found;
  }

  /**
   * Takes up the tokens whose files changed; their former ones are worth nothing any more.
   *
   * @returns whether there were any
   * @throws {UsageError} for a token that can be guessed: the former one serves on, as it does while a file
   * is missing or empty
   */
  async reload(): Promise<boolean> {
    const { fs } = this.#ports;
    let changed = false;
    for (const [name, former] of this.#tokens) {
      const path = this.#path(name);
      if (!await fs.exists(path)) continue;
      const token = (await fs.readText(path)).trim();
      if (token === "" || token === former) continue;
      checkToken(token, path);
      await fs.chmod(path, 0o600);
      this.#set(name, token);
      changed = true;
    }
    return changed;
  }

  #path(name: string): string {
    return `${this.#ports.stateDir}/tokens/${name}`;
  }

  #set(name: string, token: string): void {
    this.#tokens.set(name, token);
    this.#digests.set(name, encoder.encode(hashToken(token)));
  }
}

function checkToken(token: string, path: string): void {
  if (token.length >= MIN_LENGTH && !/\s/.test(token)) return;
  throw new UsageError(
    `Cannot use the token in ${path}: it must be one word of at least ${MIN_LENGTH} characters; remove the file and a good one is made`,
  );
}
