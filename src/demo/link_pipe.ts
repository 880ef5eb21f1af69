import type { Clock } from "../kernel/clock.ts";
import { connectTcp, type TcpAddress, type TcpSocket } from "../platform/tcp.ts";

/** Most bytes on their way in a direction of one connection before its sender has to wait. */
const MAX_IN_FLIGHT_BYTES = 1024 * 1024;
const MAX_CHUNK_BYTES = 16 * 1024;

/** Lets everybody through, or makes them wait. */
export class Gate {
  #shut: PromiseWithResolvers<void> | undefined;

  shut(): void {
    this.#shut ??= Promise.withResolvers();
  }

  open(): void {
    this.#shut?.resolve();
    this.#shut = undefined;
  }

  /** Resolves while open, and early when `signal` aborts. */
  async pass(signal: AbortSignal): Promise<void> {
    while (this.#shut !== undefined && !signal.aborted) {
      const aborted = Promise.withResolvers<void>();
      const onAbort = () => aborted.resolve();
      signal.addEventListener("abort", onAbort, { once: true });
      await Promise.race([this.#shut.promise, aborted.promise]);
      signal.removeEventListener("abort", onAbort);
    }
  }
}

/** One direction of a link, shared by its connections: the rate, the delay, and what went through. */
export class Direction {
  readonly #clock: Clock;
  /** Bytes delivered. */
  bytes = 0;
  /** The connection is cut when `bytes` gets there. */
  cutAtBytes = Infinity;
  bytesPerSecond = Infinity;
  delayMs = 0;
  /** When the link has sent what it was given, monotonic ms. */
  #freeAtMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Small enough that a slow link trickles and doesn't burst. */
  get chunkBytes(): number {
    return Math.ceil(Math.min(MAX_CHUNK_BYTES, Math.max(256, this.bytesPerSecond / 20)));
  }

  /** Resolves when the link has had the time to send that many bytes. */
  async pace(bytes: number, signal: AbortSignal): Promise<void> {
    if (this.bytesPerSecond === Infinity) return;
    const nowMs = this.#clock.monotonic();
    this.#freeAtMs = Math.max(nowMs, this.#freeAtMs) + bytes / this.bytesPerSecond * 1_000;
    await this.#clock.sleep(this.#freeAtMs - nowMs, signal);
  }

  /** Resolves when what is sent now arrives. */
  async travel(sentAtMs: number, signal: AbortSignal): Promise<void> {
    const leftMs = sentAtMs + this.delayMs - this.#clock.monotonic();
    if (leftMs > 0) await this.#clock.sleep(leftMs, signal);
  }

  now(): number {
    return this.#clock.monotonic();
  }
}

/** One client's connection through the link. */
export class LinkPipe {
  readonly #client: TcpSocket;
  readonly #gate: Gate;
  /** This connection's own: shut when the network forgot it. */
  readonly #own = new Gate();
  readonly #dropped = new AbortController();
  #server: TcpSocket | undefined;

  constructor(client: TcpSocket, gate: Gate) {
    this.#client = client;
    this.#gate = gate;
  }

  /** Carries bytes both ways until both sides have ended, one fails, or the pipe is dropped. */
  async run(target: TcpAddress, up: Direction, down: Direction): Promise<void> {
    try {
      await this.#gate.pass(this.#dropped.signal);
      if (this.#dropped.signal.aborted) return;
      this.#server = await connectTcp(target);
      await Promise.all([
        this.#pump(this.#client, this.#server, up),
        this.#pump(this.#server, this.#client, down),
      ]);
    } catch {
      // The server refuses, or one side is gone: the other must see an end too.
    } finally {
      this.drop();
    }
  }

  /** Stays open, but no byte gets through any more. */
  freeze(): void {
    this.#own.shut();
  }

  /** Closes both sides at once. */
  drop(): void {
    this.#dropped.abort();
    this.#client.close();
    this.#server?.close();
  }

  async #pump(from: TcpSocket, to: TcpSocket, direction: Direction): Promise<void> {
    const { signal } = this.#dropped;
    let inFlightBytes = 0;
    let arrivals = Promise.resolve();
    while (!signal.aborted) {
      const buffer = new Uint8Array(direction.chunkBytes);
      const length = await from.read(buffer);
      await this.#own.pass(signal);
      await this.#gate.pass(signal);
      if (length === null) {
        await arrivals;
        if (!signal.aborted) await to.closeWrite();
        return;
      }
      await direction.pace(length, signal);
      const sentAtMs = direction.now();
      inFlightBytes += length;
      arrivals = arrivals.then(async () => {
        await direction.travel(sentAtMs, signal);
        await this.#deliver(buffer.subarray(0, length), to, direction);
        inFlightBytes -= length;
      });
      if (direction.delayMs === 0 || inFlightBytes > MAX_IN_FLIGHT_BYTES) await arrivals;
    }
  }

  async #deliver(bytes: Uint8Array, to: TcpSocket, direction: Direction): Promise<void> {
    await this.#own.pass(this.#dropped.signal);
    await this.#gate.pass(this.#dropped.signal);
    if (this.#dropped.signal.aborted) return;
    const part = bytes.subarray(0, Math.max(0, direction.cutAtBytes - direction.bytes));
    direction.bytes += part.length;
    try {
      await to.write(part);
    } catch {
      this.drop();
    }
    if (direction.bytes >= direction.cutAtBytes) {
      direction.cutAtBytes = Infinity;
      this.drop();
    }
  }
}
