import { type Endpoint, formatHostPort } from "../../config/scalars.ts";
import type { ByteStream } from "../../kernel/byte_stream.ts";
import type { Clock } from "../../kernel/clock.ts";
import { type Match, matchReply, type OutgoingQuery } from "./outgoing_query.ts";
import { MessageStream } from "./message_stream.ts";

/** Connects: see `platform/dial.ts`. */
export type Connect = (options: { url: string; signal: AbortSignal }) => Promise<ByteStream>;

/** A reply over TCP. */
export type TcpReply = Exclude<Match, { state: "other" }>;

/** How long a connection is kept for another query, ms: shorter than servers do (RFC 7766 6.2.3). */
const IDLE_MS = 8_000;
/** Messages on one connection that answer something else before it is given up. */
const MAX_STRANGERS = 5;

/**
 * Connections to one upstream. One query is under way on each; one idle connection is kept, as long
 * answers come in groups (RFC 7766 6.2.1).
 */
export class TcpConnections implements Disposable {
  readonly #url: string;
  readonly #connect: Connect;
  readonly #clock: Clock;
  #idle: { frames: MessageStream; cancel: () => void } | undefined;
  #closed = false;

  constructor(upstream: Endpoint, { connect, clock }: { connect: Connect; clock: Clock }) {
    this.#url = `http://${formatHostPort(upstream)}`;
    this.#connect = connect;
    this.#clock = clock;
  }

  /**
   * Asks over a connection that is there, or a new one. One that the upstream closed meanwhile is no
   * failure of it (RFC 7766 6.2.4).
   *
   * @throws what went wrong, or the signal's reason
   */
  async ask(query: OutgoingQuery, signal: AbortSignal): Promise<TcpReply> {
    const kept = this.#takeIdle();
    if (kept !== undefined) {
      try {
        return await this.#askOver(kept, query, signal);
      } catch (error) {
        if (signal.aborted) throw error;
      }
    }
    const stream = await this.#connect({ url: this.#url, signal });
    return await this.#askOver(new MessageStream(stream), query, signal);
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#takeIdle()?.close();
  }

  async #askOver(
    frames: MessageStream,
    query: OutgoingQuery,
    signal: AbortSignal,
  ): Promise<TcpReply> {
    const onAbort = () => frames.close();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      signal.throwIfAborted();
      await frames.write(query.packet);
      for (let strangers = 0; strangers < MAX_STRANGERS; strangers++) {
        const match = matchReply(query, await frames.read());
        if (match.state === "other") continue;
        if (match.state === "cut") frames.close();
        else this.#keep(frames);
        return match;
      }
      throw new Error("it answers something else");
    } catch (error) {
      frames.close();
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  #keep(frames: MessageStream): void {
    if (this.#closed || this.#idle !== undefined) return frames.close();
    const cancel = this.#clock.timer(IDLE_MS, () => this.#takeIdle()?.close());
    this.#idle = { frames, cancel };
  }

  #takeIdle(): MessageStream | undefined {
    const idle = this.#idle;
    this.#idle = undefined;
    idle?.cancel();
    return idle?.frames;
  }
}
