import type { Fs } from "../../platform/fs.ts";
import { errorMessage } from "../../kernel/errors.ts";

/** Shortest secret that is taken, bytes. */
const MIN_BYTES = 16;
const OWN_BYTES = 32;

/** What the key for sealing is made of, and where it comes from. */
export interface SealSecret {
  secret: Uint8Array;
  /** `memory`: it could be neither read nor kept, so what is sealed with it is lost at the next start. */
  from: "credential" | "file" | "memory";
  /** Why it is not the one that was to be expected. */
  problem?: string;
}

/**
 * The secret for sealing: the systemd credential `cache-key`, which may be bound to the machine's TPM, or
 * else a file of the agent's own that is made at the first start.
 *
 * @param credentialsDir `$CREDENTIALS_DIRECTORY` (systemd.exec(5)), if there is one
 * @param random as many random bytes
 */
export async function loadSealSecret(
  { fs, stateDir, credentialsDir, random }: {
    fs: Fs;
    stateDir: string;
    credentialsDir?: string;
    random: (bytes: number) => Uint8Array;
  },
): Promise<SealSecret> {
  let problem: string | undefined;
  const credential = `${credentialsDir}/cache-key`;
  try {
    if (credentialsDir !== undefined && await fs.exists(credential)) {
      const secret = await fs.readBytes(credential);
      if (secret.length >= MIN_BYTES) return { secret, from: "credential" };
      problem = `the credential ${credential} has ${secret.length} bytes, not ${MIN_BYTES} or more`;
    }
  } catch (error) {
    problem = `the credential ${credential} can not be read: ${errorMessage(error)}`;
  }
  const path = `${stateDir}/state.key`;
  try {
    const known = await fs.exists(path) ? await fs.readBytes(path) : new Uint8Array(0);
    if (known.length >= OWN_BYTES) return { secret: known, from: "file", problem };
    if (known.length > 0) problem = `${path} is cut off: a new one was made`;
    const secret = random(OWN_BYTES);
    await fs.writeAtomic(path, secret, 0o600);
    return { secret, from: "file", problem };
  } catch (error) {
    problem = `${path} can not be read or made: ${errorMessage(error)}`;
    return { secret: random(OWN_BYTES), from: "memory", problem };
  }
}
