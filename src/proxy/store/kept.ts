import type { Clock } from "../../kernel/clock.ts";
import { negotiate, parseAccept } from "../../kube/accept.ts";
import type { Answer } from "../../kube/answer.ts";
import { formatGvr, type Gvr } from "../../kube/request_info.ts";
import { compareResourceVersions } from "../../kube/resource_version.ts";
import type { KeptAnswer } from "./overlay.ts";
import type { StateStore } from "./state_store.ts";

/** Headers of an answer that are worth repeating. */
const KEPT_HEADERS = ["content-type", "etag", "cache-control", "vary", "last-modified"];

/** Separates the parts of a key: occurs in no header and no path. */
const SEP = "\n";

/** The representations of one object that may be kept; JSON goes without its name. */
const VARIANTS = ["object", "metadata", "table", "object.protobuf", "metadata.protobuf"];

/** Longest that anybody waits for a slow disk, ms. */
const MAX_WRITE_MS = 1_000;

/** Whole answers kept for the time without a link. */
export class KeptAnswers {
  readonly #store: StateStore;
  readonly #clock: Clock;

  constructor(store: StateStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Keeps an answer that arrived whole, by default now. */
  keep(key: string, answer: Answer, resourceVersion = "", atMs = this.#clock.now()): void {
    const headers = Object.fromEntries(
      KEPT_HEADERS.flatMap((name) => {
        const value = answer.headers[name];
        return value === undefined ? [] : [[name, value]];
      }),
    );
    this.#store.keep(key, {
      status: answer.status,
      headers,
      body: answer.body,
      resourceVersion,
      atMs,
    });
  }

  get(key: string): KeptAnswer | undefined {
    return this.#store.kept(key);
  }

  /** Resolves once what was kept so far survives a kill, or when the disk is too slow for that or refuses. */
  async written(): Promise<void> {
    const late = Promise.withResolvers<void>();
    const cancel = this.#clock.timer(MAX_WRITE_MS, late.resolve);
    await Promise.race([this.#store.written(), late.promise]);
    cancel();
  }

  /** The keys that begin with `prefix`, sorted. */
  keys(prefix: string): string[] {
    return this.#store.keptKeys(prefix);
  }

  forget(key: string): void {
    this.#store.forget(key);
  }

  /** An object is gone: every answer that holds it is forgotten. */
  forgetObject(caller: string, gvr: Gvr, objectKey: string): void {
    for (const variant of VARIANTS) {
      this.#store.forget(objectAnswerKey(caller, gvr, objectKey, variant));
    }
  }

  /** Everything that was kept for a caller. */
  forgetCaller(caller: string): void {
    this.#store.forget(provenKey(caller));
    for (const kind of ["object", "token", "review"]) {
      for (const key of this.keys([kind, caller, ""].join(SEP))) this.forget(key);
    }
  }

  /** Forgets the objects that are newer than a version: the cloud went back to it. */
  forgetNewer(resourceVersion: string): void {
    for (const key of this.#store.keptKeys("object" + SEP)) {
      const answer = this.get(key);
      if (answer === undefined) continue;
      if (compareResourceVersions(answer.resourceVersion, resourceVersion) > 0) this.forget(key);
    }
  }

  /** The kept discovery answer of a path that suits an Accept header best. */
  discovery(path: string, accept: string | null): KeptAnswer | undefined {
    const exact = this.get(discoveryKey(path, accept));
    if (exact !== undefined) return exact;
    const prefix = discoveryKey(path, "");
    const answers = this.#store.keptKeys(prefix).flatMap((key) => {
      const answer = this.get(key);
      return answer === undefined
        ? []
        : [{ answer, type: typeOf(answer, key.slice(prefix.length)) }];
    }).sort((a, b) => b.answer.atMs - a.answer.atMs);
    return answers[negotiate(accept, answers.map(({ type }) => type))]?.answer;
  }
}

/**
 * The type of a document as its clients know it. Some of kube-apiserver's are called otherwise than what was
 * asked for and given: `/openapi/v3` is JSON named text/plain.
 */
function typeOf({ headers }: KeptAnswer, asked: string): string {
  const type = headers["content-type"] ?? "";
  const [first] = parseAccept(asked);
  return negotiate(asked, [type]) >= 0 || first === undefined ? type : first.text;
}

/** Key of a GET of one object. @param variant representation and subresource */
export function objectAnswerKey(
  caller: string,
  gvr: Gvr,
  objectKey: string,
  variant: string,
): string {
  return ["object", caller, formatGvr(gvr), objectKey, variant].join(SEP);
}

/** Key of a discovery answer: the same for every caller. */
export function discoveryKey(path: string, accept: string | null): string {
  return ["discovery", path, accept ?? "*/*"].join(SEP);
}

/** Key of the hash with which the OpenAPI document of a path was last fetched. */
export function hashKey(path: string): string {
  return ["hash", path].join(SEP);
}

/** Key that says that a bearer's credential was accepted by the cloud. */
export function provenKey(caller: string): string {
  return ["proven", caller].join(SEP);
}
