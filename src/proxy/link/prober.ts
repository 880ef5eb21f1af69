import type { Clock } from "../../kernel/clock.ts";
import { errorMessage } from "../../kernel/errors.ts";
import { abortable } from "../../kube/body.ts";
import type { HttpClient } from "../../platform/net.ts";
import { isMiddlebox } from "../upstream/middlebox.ts";
import type { ProbeResult } from "./link_state.ts";

/** A client for probes, and the token that they show. */
export interface ProbeClient {
  client: HttpClient;
  token?: string;
}

/** Where a prober asks. */
export interface Probed {
  url: string;
  /** A new client, with a credential if there is one: a kube-apiserver hangs up on strangers after each answer. */
  connect(protocol: "h2" | "http/1.1"): Promise<ProbeClient>;
  /** A new connection was answered: what the server speaks, and that an older connection may be dead. */
  connected(protocol: "h2" | "http/1.1"): void;
}

/** Messages of rustls when the server is not who it should be. */
const UNTRUSTED = /invalid peer certificate|UnknownIssuer|CertificateUnknown|self[- ]signed/i;
/** Of a server that speaks TLS but no HTTP/2: refused in the handshake, or an answer in HTTP/1.1. */
const NO_H2 = /NoApplicationProtocol|frame with invalid size|http2 error: .*invalid preface/i;

/** How long an answer is waited for behind the back of the state machine. */
const LATE_MS = 10_000;
/** Probes of which that is so at once. */
const MAX_LATE = 4;
/** Round trips until a new TLS connection has brought an answer: TCP, TLS 1.3, HTTP. */
const TRIPS_OF_NEW_CONNECTION = 3;

/** One question on its way. */
interface Attempt {
  result: Promise<ProbeResult>;
  stop: AbortController;
}

/**
 * Asks `/readyz` on a connection that is kept from probe to probe, and replaced after a failure. A probe
 * that nobody waits for any more may still be answered: on a link of long delay it is the only way to learn
 * of it.
 */
export class Prober implements Disposable {
  readonly #server: Probed;
  readonly #clock: Clock;
  readonly #late: (roundTripMs: number) => void;
  readonly #attempts = new Set<Attempt>();
  #client: ProbeClient | undefined;

  /** @param late told of an answer that came after its probe was given up */
  constructor(server: Probed, clock: Clock, late: (roundTripMs: number) => void) {
    this.#server = server;
    this.#clock = clock;
    this.#late = late;
  }

  /** One probe; says `silent` after `timeoutMs`. */
  async probe(timeoutMs: number, signal: AbortSignal): Promise<ProbeResult> {
    const attempt = this.#begin(signal);
    const waiting = new AbortController();
    const patience = this.#clock.sleep(timeoutMs, AbortSignal.any([signal, waiting.signal]));
    const found = await Promise.race([attempt.result, patience]);
    waiting.abort();
    if (found !== undefined) return found;
    attempt.result.then((result) => {
      if (result.result !== "answered" || signal.aborted || attempt.stop.signal.aborted) return;
      this.#abandon();
      this.#late(result.roundTripMs);
    });
    const [oldest] = this.#attempts;
    if (this.#attempts.size > MAX_LATE) oldest?.stop.abort();
    return {
      result: "silent",
      late: true,
      cause: `no answer to a probe within ${Math.round(timeoutMs)} ms`,
    };
  }

  #begin(signal: AbortSignal): Attempt {
    const stop = new AbortController();
    const client = this.#client;
    this.#client = undefined;
    const cancel = this.#clock.timer(LATE_MS, () => stop.abort(new Error("no answer to a probe")));
    const result = this.#ask(client, AbortSignal.any([signal, stop.signal])).finally(() => {
      cancel();
      this.#attempts.delete(attempt);
    });
    const attempt = { result, stop };
    this.#attempts.add(attempt);
    return attempt;
  }

  async #ask(kept: ProbeClient | undefined, signal: AbortSignal): Promise<ProbeResult> {
    const server = this.#server;
    const isTls = server.url.startsWith("https:");
    if (kept !== undefined) return await this.#question(kept, 1, signal);
    const first = await this.#fresh(isTls ? "h2" : "http/1.1", signal);
    if (first.result !== "silent" || !isTls || !NO_H2.test(first.cause)) return first;
    return await this.#fresh("http/1.1", signal);
  }

  /** On a connection of its own. */
  async #fresh(protocol: "h2" | "http/1.1", signal: AbortSignal): Promise<ProbeResult> {
    let client: ProbeClient;
    try {
      client = await this.#server.connect(protocol);
    } catch (error) {
      return { result: "silent", cause: errorMessage(error) };
    }
    const found = await this.#question(client, TRIPS_OF_NEW_CONNECTION, signal);
    if (found.result === "answered") this.#server.connected(protocol);
    return found;
  }

  async #question(probe: ProbeClient, trips: number, signal: AbortSignal): Promise<ProbeResult> {
    const startedAt = this.#clock.monotonic();
    const { client, token } = probe;
    let isWelcome = false;
    try {
      const headers = new Headers({ "accept-encoding": "identity" });
      if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
      const init = { method: "GET", headers, signal };
      const response = await abortable(client.fetch(`${this.#server.url}/readyz`, init), signal);
      const roundTripMs = (this.#clock.monotonic() - startedAt) / trips;
      await abortable(response.arrayBuffer(), signal);
      if (isMiddlebox(response)) {
        return { result: "silent", cause: `a middlebox answers ${response.status}` };
      }
      // One whose credential has expired is hung up on like a stranger: the next one reads it anew.
      isWelcome = response.status !== 401;
      return { result: "answered", roundTripMs };
    } catch (error) {
      const cause = errorMessage(error);
      return { result: UNTRUSTED.test(cause) ? "rejected" : "silent", cause };
    } finally {
      if (isWelcome && this.#client === undefined && !signal.aborted) this.#client = probe;
      else client[Symbol.dispose]();
    }
  }

  /** Forgets the probes that nobody waits for. */
  #abandon(): void {
    for (const { stop } of this.#attempts) stop.abort();
  }

  /** Abort the signals of all probes first. */
  [Symbol.dispose](): void {
    this.#abandon();
    this.#client?.client[Symbol.dispose]();
    this.#client = undefined;
  }
}
