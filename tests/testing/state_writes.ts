import { systemClock } from "../../src/kernel/clock.ts";
import type { StoredObject } from "../../src/kube/object_meta.ts";
import { StateStore } from "../../src/proxy/store/state_store.ts";
import { utf8 } from "./arbitraries.ts";
import { MAX_BYTES, SECRET } from "./state_file.ts";
import { keptAnswer, scopeRow } from "./state_store_contract.ts";

/** A scope in the clear, and one that is sealed. */
export const SCOPES = [1, 2] as const;
const SEALED_SCOPE = 2;
/** 10,000 writes of objects: so many batches, with so many objects of each scope. */
export const BATCHES = 100;
const PUTS = 50;
/** Keys of a scope. */
const KEYS = 200;

/** What a scope holds at a version: key -> the version at which it was written. */
export function contentAt(version: number): Map<string, number> {
  const content = new Map<string, number>();
  for (let each = 1; each <= version; each++) {
    for (const key of putsOf(each)) content.set(key, each);
    content.delete(removedBy(each));
  }
  return content;
}

/** An object as it is written. */
export function objectAt(key: string, version: number): StoredObject {
  const body = utf8(`${key}@${version} `.repeat(20 + version % 60));
  return { key, uid: `u-${key}`, resourceVersion: String(version), body };
}

const putsOf = (version: number) =>
  Array.from({ length: PUTS }, (_, i) => `k${(version * 37 + i) % KEYS}`);
const removedBy = (version: number) => `k${(version * 37 + PUTS) % KEYS}`;

/** Writes one version after the other, and tells of each that is on disk. */
async function write(path: string, from: number): Promise<void> {
  const fail = (what: string) => (detail: unknown) => {
    throw new Error(`${what}: ${JSON.stringify(detail)}`);
  };
  const options = { path, secret: SECRET, maxBytes: MAX_BYTES };
  const store = await StateStore.open(options, systemClock, {
    setAside: fail("set aside"),
    unreadable: fail("unreadable"),
    unavailable: fail("unavailable"),
    writeFailed: fail("write failed"),
    writeRecovered: () => {},
  });
  store.seal(SEALED_SCOPE);
  Deno.stdout.writeSync(utf8(`${from - 1}\n`));
  for (let version = from; version < from + BATCHES; version++) {
    for (const scope of SCOPES) {
      for (const key of putsOf(version)) store.put(scope, objectAt(key, version));
      store.remove(scope, removedBy(version));
      store.saveScope(scopeRow(scope, String(version)));
    }
    store.keep("token\nnewest", keptAnswer(String(version)));
    if (!await store.written()) throw new Error(`version ${version} was not written`);
    Deno.stdout.writeSync(utf8(`${version}\n`));
  }
  await store[Symbol.asyncDispose]();
}

if (import.meta.main) await write(Deno.args[0]!, Number(Deno.args[1]));
