import type { Clock } from "../../kernel/clock.ts";
import { errorMessage } from "../../kernel/errors.ts";
import { abortable } from "../../kube/body.ts";
import type { HttpClient } from "../../platform/net.ts";

/** A client to send a request with; released when its answer has ended. */
export interface Lease {
  client: HttpClient;
  /** Aborts when the connection is given up. */
  lost: AbortSignal;
  /** Bytes came. */
  alive(): void;
  /**
   * Nothing came since then: the connection is asked whether it lives, unless something else came. Whether
   * the request is better off on another one.
   */
  doubt(sinceMs: number): boolean;
  release(): void;
}

/** What a connection needs to be asked whether it lives. */
export interface ConnectionProbe {
  clock: Clock;
  url: string;
  /** How long a small question may remain unanswered, ms. */
  patienceMs(): number;
  /** A connection gave no sign of life, though the link may live. */
  lost(cause: string): void;
}

/**
 * Silence of a connection with open streams before it is asked for a sign of life. A kube-apiserver sends
 * each watch a bookmark a minute, so on a healthy one this costs nothing.
 */
const SILENT_MS = 75_000;
/** Shortest wait for that sign: a lost packet or three must not count. */
const MIN_SIGN_MS = 6_000;

/**
 * One HTTP client, which with HTTP/2 is one connection. A NAT or firewall may forget one flow while the
 * others live: nobody tells, and TCP gives up after a quarter of an hour. So silence leads to a question.
 */
export class Connection {
  readonly client: HttpClient;
  readonly #probe: ConnectionProbe;
  readonly #asks: boolean;
  readonly #lost = new AbortController();
  readonly #emptied: (connection: Connection) => void;
  #streams = 0;
  /** Of the streams whose answer has begun: what ends one. */
  readonly #answered = new Set<() => void>();
  #lastByteMs: number;
  #cancelTimer: (() => void) | undefined;
  #asking = false;
  #retired = false;
  #closed = false;
  /** The server takes no more streams on it. */
  full = false;

  /**
   * @param options `asks`: off where a client has many connections, of which the question would take any;
   * `emptied`: called when the last stream has ended
   */
  constructor(
    client: HttpClient,
    probe: ConnectionProbe,
    options: { asks: boolean; emptied: (connection: Connection) => void },
  ) {
    this.client = client;
    this.#probe = probe;
    this.#asks = options.asks;
    this.#emptied = options.emptied;
    this.#lastByteMs = probe.clock.monotonic();
  }

  /** Open streams. */
  get streams(): number {
    return this.#streams;
  }

  /** Those of them whose answer has begun. */
  get answered(): number {
    return this.#answered.size;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Takes a stream. */
  lease(): Lease {
    if (this.#streams++ === 0) this.#lastByteMs = this.#probe.clock.monotonic();
    this.#watch();
    let released = false;
    const ended = new AbortController();
    const giveWay = () => ended.abort(new Error("its connection is to be asked whether it lives"));
    return {
      client: this.client,
      lost: AbortSignal.any([this.#lost.signal, ended.signal]),
      alive: () => {
        this.#lastByteMs = this.#probe.clock.monotonic();
        if (!released) this.#answered.add(giveWay);
      },
      doubt: (sinceMs) => {
        this.doubt(sinceMs);
        return false;
      },
      release: () => {
        if (released) return;
        released = true;
        this.#answered.delete(giveWay);
        if (--this.#streams === 0) this.#empty();
      },
    };
  }

  /** Asks for a sign of life if there are streams and nothing came since then. */
  doubt(sinceMs: number): void {
    if (this.#streams > 0 && this.#lastByteMs <= sinceMs) void this.#ask();
  }

  /** No new streams: closes when the last one has ended. */
  retire(): void {
    this.#retired = true;
    if (this.#streams === 0) this.close(new Error("not used any more"));
  }

  /** Ends every stream with that reason. */
  close(reason: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    // Closing alone would free nothing.
    this.#lost.abort(reason);
    this.client[Symbol.dispose]();
  }

  #empty(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (this.#closed) return;
    if (this.#retired) this.close(new Error("not used any more"));
    else this.#emptied(this);
  }

  /** Waits for silence for as long as there are streams. */
  #watch(): void {
    if (!this.#asks || this.#cancelTimer !== undefined || this.#closed) return;
    const { clock } = this.#probe;
    const leftMs = this.#lastByteMs + SILENT_MS - clock.monotonic();
    this.#cancelTimer = clock.timer(Math.max(leftMs, 0), () => {
      this.#cancelTimer = undefined;
      if (clock.monotonic() - this.#lastByteMs < SILENT_MS) this.#watch();
      else void this.#ask();
    });
  }

  /** On a full connection the question would wait for ever, unless a stream ends for it. */
  #makeRoom(): boolean {
    if (!this.full) return true;
    const [giveWay] = this.#answered;
    giveWay?.();
    return giveWay !== undefined;
  }

  async #ask(): Promise<void> {
    if (!this.#asks || this.#asking || this.#closed || !this.#makeRoom()) return;
    this.#asking = true;
    const { clock, url, patienceMs } = this.#probe;
    const limitMs = Math.max(MIN_SIGN_MS, 2 * patienceMs());
    const late = new AbortController();
    const cancel = clock.timer(
      limitMs,
      () => late.abort(new Error(`no sign of life within ${limitMs} ms`)),
    );
    const limit = AbortSignal.any([late.signal, this.#lost.signal]);
    const askedMs = clock.monotonic();
    try {
      const init = { method: "GET", headers: { "accept-encoding": "identity" }, signal: limit };
      const response = await abortable(this.client.fetch(`${url}/readyz`, init), limit);
      this.#lastByteMs = clock.monotonic();
      await abortable(response.arrayBuffer(), limit);
    } catch (error) {
      // Bytes on one of its streams outweigh the question.
      if (!this.#closed && this.#lastByteMs <= askedMs) {
        this.#probe.lost(errorMessage(error));
        this.close(new Error(`the connection is dead: ${errorMessage(error)}`));
      }
    } finally {
      cancel();
      this.#asking = false;
      if (this.#streams > 0) this.#watch();
    }
  }
}
