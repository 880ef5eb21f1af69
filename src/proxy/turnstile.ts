import { AgentError } from "../kernel/errors.ts";
import { StatusResponse } from "../kube/status.ts";
import type { Caller } from "./identity/identity.ts";

/** What one caller may have under way. */
interface Limits {
  requests: number;
  /** Of request bodies that are held. */
  bytes: number;
}

/** As many as kube-apiserver takes of all its clients together (`--max-requests-inflight`). */
const PROVEN: Limits = { requests: 400, bytes: 16 * 1024 * 1024 };
/** All of them together: whoever makes tokens up has any number. */
const STRANGERS: Limits = { requests: 100, bytes: 16 * 1024 * 1024 };

/** Somebody has too much under way. */
export class TooManyRequestsError extends AgentError {
  readonly code = "too-many-requests";
}

/** One request on its way through. */
export interface Visit {
  /** More of its body is held. @throws {TooManyRequestsError} when that is too much */
  hold(bytes: number): void;
  /** The answer, which ends the visit when it was read or given up. */
  ends(response: Response): Response;
}

/** What a bucket has under way. */
interface Load {
  requests: number;
  bytes: number;
}

const FREE: Visit = { hold() {}, ends: (response) => response };

/**
 * Keeps one process from taking all memory and connections of the agent: counts what each caller has under way.
 * The node's identities are not counted; whoever nobody vouches for shares one count.
 */
export class Turnstile {
  readonly #loads = new Map<string, Load>();

  /**
   * @param isProven whether the caller's credential is known to be good
   * @param gone aborts when the client is gone, or the request over
   * @throws {TooManyRequestsError} when the caller has too many under way
   */
  enter(caller: Caller, isProven: boolean, gone: AbortSignal): Visit {
    if (caller.kind === "identity") return FREE;
    const [key, limits] = isProven ? [caller.key, PROVEN] : ["", STRANGERS];
    const load = this.#loads.get(key) ?? { requests: 0, bytes: 0 };
    const who = isProven ? caller.key : "all clients that nobody vouches for";
    const check = (isTooMuch: boolean, what: string) => {
      if (isTooMuch) throw new TooManyRequestsError(`too many ${what} of ${who} are under way`);
    };
    check(load.requests >= limits.requests, "requests");
    this.#loads.set(key, load);
    load.requests++;
    let held = 0;
    let inside = true;
    const leave = () => {
      if (!inside) return;
      inside = false;
      load.requests--;
      load.bytes -= held;
      if (load.requests === 0) this.#loads.delete(key);
    };
    gone.addEventListener("abort", leave, { once: true });
    return {
      hold(bytes) {
        check(load.bytes + bytes > limits.bytes, "bytes of requests");
        load.bytes += bytes;
        held += bytes;
      },
      ends: (response) => whenSent(response, leave),
    };
  }
}

function whenSent(response: Response, sent: () => void): Response {
  // One of the agent's own is a few bytes, which are in the hands of the server.
  if (response.body === null || response instanceof StatusResponse) {
    sent();
    return response;
  }
  const reader = response.body.getReader();
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        sent();
        controller.close();
      } catch (error) {
        sent();
        controller.error(error);
      }
    },
    async cancel(reason) {
      sent();
      await reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
  return new Response(body, response);
}
