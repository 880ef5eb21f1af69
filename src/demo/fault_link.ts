import { type Clock, systemClock } from "../kernel/clock.ts";
import { listenTcp, type TcpAddress, type TcpListener, type TcpSocket } from "../platform/tcp.ts";
import { Direction, Gate, LinkPipe } from "./link_pipe.ts";

/** What a link does with what comes along. */
export type LinkState =
  | { state: "up" }
  /** Nobody listens: established connections are cut, new ones refused. */
  | { state: "refused" }
  /**
   * Packets vanish: connections stay open, new ones open too, and no byte gets through. When it ends, the
   * connections from before and from within are dropped, as a NAT that forgot them does, unless they may
   * `resume`.
   */
  | { state: "black-hole"; resume?: boolean }
  /** One rate for all connections of a direction, and a delay each way. */
  | { state: "throttled"; bytesPerSecond: number; delayMs?: number };

/** How a link is started. */
export interface FaultLinkOptions {
  /** The server behind it. */
  target: TcpAddress;
  /** Default 127.0.0.1. */
  hostname?: string;
  /** Default: any free one. */
  port?: number;
  clock?: Clock;
}

/** A TCP proxy in front of a server that can fail as a network does. */
export class FaultLink implements AsyncDisposable {
  readonly #target: TcpAddress;
  readonly #hostname: string;
  readonly #clock: Clock;
  readonly #pipes = new Map<LinkPipe, Promise<void>>();
  readonly #gate = new Gate();
  readonly #up: Direction;
  readonly #down: Direction;
  #state: LinkState = { state: "up" };
  #listener: TcpListener | undefined;
  #port: number;
  #connections = 0;
  #cancelRetry = () => {};

  /** Starts one that is up. */
  static start(options: FaultLinkOptions): Promise<FaultLink> {
    return Promise.resolve(new FaultLink(options));
  }

  private constructor(options: FaultLinkOptions) {
    const { target, hostname = "127.0.0.1", port = 0, clock = systemClock } = options;
    this.#target = target;
    this.#hostname = hostname;
    this.#clock = clock;
    this.#up = new Direction(clock);
    this.#down = new Direction(clock);
    this.#port = port;
    this.#listen();
  }

  get port(): number {
    return this.#port;
  }

  get state(): LinkState {
    return this.#state;
  }

  /** Bytes of clients that got through. */
  get bytesUp(): number {
    return this.#up.bytes;
  }

  /** Bytes of the server that got through. */
  get bytesDown(): number {
    return this.#down.bytes;
  }

  /** Connections accepted so far. */
  get connections(): number {
    return this.#connections;
  }

  /** Connections that are open now. */
  get openConnections(): number {
    return this.#pipes.size;
  }

  /** Changes what the link does, at once. */
  set(next: LinkState): void {
    const last = this.#state;
    this.#state = next;
    const unlimited = { bytesPerSecond: Infinity, delayMs: 0 };
    const { bytesPerSecond, delayMs = 0 } = next.state === "throttled" ? next : unlimited;
    for (const direction of [this.#up, this.#down]) {
      direction.bytesPerSecond = bytesPerSecond;
      direction.delayMs = delayMs;
    }
    if (last.state === "black-hole" && !last.resume && next.state !== "black-hole") this.#dropAll();
    if (next.state === "black-hole") this.#gate.shut();
    else this.#gate.open();
    if (next.state === "refused") {
      this.#unlisten();
      this.#dropAll();
    } else if (this.#listener === undefined) {
      this.#cancelRetry();
      this.#listen();
    }
  }

  /** Cuts the connection that brings down the last of that many more bytes, in the middle of whatever it is. */
  cutAfter(bytesDown: number): void {
    this.#down.cutAtBytes = this.#down.bytes + bytesDown;
  }

  /** A NAT forgets the connections of now: they stay open and silent for ever, while new ones live. */
  forget(): void {
    for (const pipe of this.#pipes.keys()) pipe.freeze();
  }

  /** Resolves once all connections are closed. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#unlisten();
    this.#dropAll();
    await Promise.all(this.#pipes.values());
  }

  /**
   * Listens on the port it had, at first on a free one that the kernel gives to nobody who asks for any one
   * (Linux: 32768 and up), since it must stay free while the link refuses connections.
   */
  #listen(triesLeft = 200): void {
    const port = this.#port ||
      20_000 + crypto.getRandomValues(new Uint16Array(1))[0]! % 12_000;
    const address = { hostname: this.#hostname, port };
    try {
      this.#listener = listenTcp(address, (socket) => this.#carry(socket));
      this.#port = port;
    } catch (error) {
      if (triesLeft === 0) throw error;
      if (this.#port === 0) return this.#listen(triesLeft - 1);
      // A listener that was just closed keeps the port until its pending accept has ended.
      this.#cancelRetry = this.#clock.timer(5, () => this.#listen(triesLeft - 1));
    }
  }

  #unlisten(): void {
    this.#cancelRetry();
    this.#listener?.[Symbol.dispose]();
    this.#listener = undefined;
  }

  #carry(client: TcpSocket): void {
    this.#connections++;
    const pipe = new LinkPipe(client, this.#gate);
    const over = pipe.run(this.#target, this.#up, this.#down);
    this.#pipes.set(pipe, over.finally(() => this.#pipes.delete(pipe)));
  }

  #dropAll(): void {
    for (const pipe of this.#pipes.keys()) pipe.drop();
  }
}
