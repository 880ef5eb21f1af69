import { encodingOf } from "../../kube/codec/encodings.ts";
import { JSON_ENCODING } from "../../kube/codec/json_encoding.ts";
import type { ListHead } from "../../kube/codec/list.ts";
import type { Replacement } from "../../kube/reflector.ts";
import { isResourceVersion } from "../../kube/resource_version.ts";
import type { Hub } from "../hub/hub.ts";
import { DamagedError } from "../store/rows.ts";

/** A list of which some pages have passed. */
interface OpenList {
  hub: Hub;
  replacement: Replacement;
  first: ListHead;
}

/** Lists of several pages that are followed at once. */
const MAX_OPEN_LISTS = 16;

/**
 * Keeps what clients list anyway: the pages of a list pass through unchanged, and once the last one was
 * whole, the hub of the scope holds it.
 */
export class ListTee {
  readonly #seen: (hub: Hub, resourceVersion: string) => void;
  /** By the token that the next page will be asked with. */
  readonly #open = new Map<string, OpenList>();

  /** @param seen told the version of each page that was whole */
  constructor(seen: (hub: Hub, resourceVersion: string) => void = () => {}) {
    this.#seen = seen;
  }

  /**
   * @param mayKeep asked at the end: whether the hub still has no better source than this list
   */
  pass(response: Response, hub: Hub, token: string, mayKeep: () => boolean): Response {
    const open = token === "" ? begin(hub) : this.#take(token, hub);
    if (open === undefined) return observeVersion(response, (version) => this.#seen(hub, version));
    const { replacement } = open;
    const splitter = hub.encoding.createListSplitter();
    let broken = false;
    const giveUp = () => {
      broken = true;
      replacement.abandon();
    };
    const finish = () => {
      const head = splitter.end();
      this.#seen(hub, head.resourceVersion);
      const first = open.first ?? head;
      if (
        head.resourceVersion !== first.resourceVersion || !isResourceVersion(head.resourceVersion)
      ) {
        return giveUp();
      }
      if (head.continue !== "") this.#remember(head.continue, { hub, replacement, first });
      else if (mayKeep()) replacement.commit(first);
      else giveUp();
    };
    const tee = new TransformStream<Uint8Array, Uint8Array>({
      async transform(chunk, controller) {
        controller.enqueue(chunk);
        if (broken) return;
        try {
          await replacement.add(splitter.push(chunk));
        } catch {
          // Not a list that the agent can keep: it is the client's all the same.
          giveUp();
        }
      },
      flush() {
        if (broken) return;
        try {
          finish();
        } catch {
          giveUp();
        }
      },
    });
    return new Response(response.body?.pipeThrough(tee), response);
  }

  #take(token: string, hub: Hub): OpenList | undefined {
    const open = this.#open.get(token);
    if (open?.hub !== hub) return undefined;
    this.#open.delete(token);
    return open;
  }

  #remember(token: string, open: OpenList): void {
    this.#open.set(token, open);
    if (this.#open.size <= MAX_OPEN_LISTS) return;
    const [oldest, { replacement }] = this.#open.entries().next().value!;
    replacement.abandon();
    this.#open.delete(oldest);
  }
}

/** A list of which nothing has passed; undefined when the store can't take one now: it is the client's all the same. */
function begin(hub: Hub): Partial<OpenList> & Pick<OpenList, "replacement"> | undefined {
  try {
    return { replacement: hub.replace() };
  } catch (error) {
    if (error instanceof DamagedError) return undefined;
    throw error;
  }
}

/** The response unchanged; tells the version of the list in it, once that was whole. */
export function observeVersion(
  response: Response,
  seen: (resourceVersion: string) => void,
): Response {
  const encoding = encodingOf(response.headers.get("content-type")) ?? JSON_ENCODING;
  const splitter = encoding.createListSplitter();
  let broken = false;
  const read = (step: () => void) => {
    if (broken) return;
    try {
      step();
    } catch {
      broken = true; // not a list: the client's business
    }
  };
  const observer = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      controller.enqueue(chunk);
      read(() => void splitter.push(chunk));
    },
    flush: () => read(() => seen(splitter.end().resourceVersion)),
  });
  return new Response(response.body?.pipeThrough(observer), response);
}
