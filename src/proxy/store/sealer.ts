import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { AgentError } from "../../kernel/errors.ts";
import { concatBytes } from "../../kube/codec/json.ts";

/** First byte of what is sealed: the way in which it is. */
const VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CIPHER = "aes-256-gcm";

/** How a body lies in the file. */
export const PLAIN = 0;
export const SEALED = 1;

/** Sealed bytes can't be read: another key, or damage. */
export class UnreadableError extends AgentError {
  readonly code = "unreadable";
}

/**
 * Seals what must not be read off a stolen disk: AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce
 * for each write. The place of a row is authenticated with it, so rows can't be swapped.
 */
export class Sealer {
  readonly #key: Uint8Array;

  /** @param secret at least 16 bytes; the key is derived from it (HKDF-SHA256, RFC 5869) */
  constructor(secret: Uint8Array) {
    this.#key = new Uint8Array(hkdfSync("sha256", secret, "", "edge-agent state.db", 32));
  }

  /** @param place what the bytes are and where they belong */
  seal(plain: Uint8Array, place: string): Uint8Array {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.#key, nonce);
    cipher.setAAD(new TextEncoder().encode(place));
    const body = [cipher.update(plain), cipher.final()];
    return concatBytes([Uint8Array.of(VERSION), nonce, ...body, cipher.getAuthTag()]);
  }

  /** @throws {UnreadableError} unless it was sealed with this key for this place */
  unseal(sealed: Uint8Array, place: string): Uint8Array {
    const bodyAt = 1 + NONCE_BYTES;
    const tagAt = sealed.length - TAG_BYTES;
    if (sealed[0] !== VERSION || tagAt < bodyAt) {
      throw new UnreadableError(`Cannot unseal ${sealed.length} bytes: they are not sealed so`);
    }
    const decipher = createDecipheriv(CIPHER, this.#key, sealed.subarray(1, bodyAt));
    decipher.setAAD(new TextEncoder().encode(place));
    decipher.setAuthTag(sealed.subarray(tagAt));
    try {
      return concatBytes([decipher.update(sealed.subarray(bodyAt, tagAt)), decipher.final()]);
    } catch (cause) {
      throw new UnreadableError("Cannot unseal: it was sealed with another key, or damaged", {
        cause,
      });
    }
  }
}

/** Where an object belongs, for {@linkcode Sealer}. */
export function itemPlace(
  { scope, key, uid, rv }: { scope: number; key: string; uid: string; rv: string },
): string {
  return JSON.stringify(["items", scope, key, uid, rv]);
}

/** Where a kept answer belongs. */
export function keptPlace(
  { key, status, headers, rv, at }: {
    key: string;
    status: number;
    headers: string;
    rv: string;
    at: number;
  },
): string {
  return JSON.stringify(["kept", key, status, headers, rv, at]);
}

/** What everybody may know: by the first part of a key. Every other kept answer is sealed. */
const PUBLIC = new Set(["discovery", "hash", "proven", "last-alive", "cloud"]);

/** Whether a kept answer is sealed. */
export function isSealedKept(key: string): boolean {
  return !PUBLIC.has(key.split("\n", 1)[0]!);
}

/** Whether the objects of a resource are sealed, whatever of them is shown: annotations may hold data too. */
export function isSealedResource(
  { group, resource }: { group: string; resource: string },
): boolean {
  return group === "" && resource === "secrets";
}
