import type { Clock } from "../../kernel/clock.ts";
import type { TcpSocket } from "../../platform/tcp.ts";
import { formatFrame, TcpFrames } from "../wire/tcp_frames.ts";

/** Where a query came from. */
export interface Client {
  address: string;
  port: number;
}

/** Answers a packet; undefined for one that gets no answer. Never rejects. */
export type Respond = (
  packet: Uint8Array,
  client: Client,
  transport: "udp" | "tcp",
) => Uint8Array | undefined | Promise<Uint8Array | undefined>;

/** What clients may take up. */
export interface TcpLimits {
  /** Open connections; beyond, the one that was quiet for longest makes room. */
  connections: number;
  /** Of one address. */
  perClient: number;
  /** Queries of one connection that are being answered: it is not read while there are more. */
  inFlight: number;
  /** Answers that a client has not read yet, bytes: its connection takes no query while there are more. */
  unsentBytes: number;
  /** The same of all connections together: beyond, the one that reads slowest makes room. */
  allUnsentBytes: number;
  /** How long a connection may be quiet, ms (RFC 7766 6.2.3). */
  idleMs: number;
  /** How long a client may take to read an answer, ms. */
  writeMs: number;
  /** Longest query, bytes. */
  messageBytes: number;
}

/** Enough for a node's pods, and little to hold for it. */
export const TCP_LIMITS: TcpLimits = {
  connections: 512,
  perClient: 64,
  inFlight: 64,
  unsentBytes: 64 * 1024,
  allUnsentBytes: 8 * 1024 * 1024,
  idleMs: 10_000,
  writeMs: 5_000,
  messageBytes: 4_096,
};

/** Told of what is counted. */
export interface TcpEvents {
  opened?(): void;
  /** `limit`: it had to make room; `broken`: it spoke no DNS. */
  closed?(why: "end" | "idle" | "limit" | "broken" | "slow" | "stopped"): void;
}

interface Connection {
  socket: TcpSocket;
  quietSinceMs: number;
  inFlight: number;
  /** Bytes of answers that are ready and not written. */
  unsentBytes: number;
  /** When the write began that is under way, monotonic ms. */
  writingSinceMs: number;
  /** Ends with the last write. */
  writing: Promise<void>;
  close(why: Parameters<NonNullable<TcpEvents["closed"]>>[0]): void;
}

/** Speaks DNS over connections: pipelined, answered in the order in which answers are ready (RFC 7766 7). */
export class TcpServer implements Disposable {
  readonly #connections = new Set<Connection>();
  readonly #respond: Respond;
  readonly #clock: Clock;
  readonly #limits: TcpLimits;
  readonly #events: TcpEvents;
  #unsentBytes = 0;

  constructor(
    respond: Respond,
    { clock, limits = TCP_LIMITS, events = {} }: {
      clock: Clock;
      limits?: TcpLimits;
      events?: TcpEvents;
    },
  ) {
    this.#respond = respond;
    this.#clock = clock;
    this.#limits = limits;
    this.#events = events;
  }

  /** Open connections. */
  get size(): number {
    return this.#connections.size;
  }

  /** Bytes of answers that clients have not read yet. */
  get unsentBytes(): number {
    return this.#unsentBytes;
  }

  /** Takes a connection over; it ends with its client, or by a limit. */
  readonly accept = (socket: TcpSocket): void => {
    const { connections, perClient } = this.#limits;
    const same = [...this.#connections].filter((each) =>
      each.socket.remote.hostname === socket.remote.hostname
    );
    if (same.length >= perClient) makeRoom(same);
    else if (this.#connections.size >= connections) makeRoom([...this.#connections]);
    void this.#serve(socket);
  };

  [Symbol.dispose](): void {
    for (const connection of [...this.#connections]) connection.close("stopped");
  }

  async #serve(socket: TcpSocket): Promise<void> {
    const clock = this.#clock;
    const { idleMs, messageBytes } = this.#limits;
    let open = true;
    let cancelIdle = () => {};
    /** Resolved when an answer is out: there may be room for more queries. */
    let answered = Promise.withResolvers<void>();
    const connection: Connection = {
      socket,
      quietSinceMs: clock.monotonic(),
      inFlight: 0,
      unsentBytes: 0,
      writingSinceMs: 0,
      writing: Promise.resolve(),
      close: (why) => {
        if (!open) return;
        open = false;
        cancelIdle();
        this.#connections.delete(connection);
        this.#unsentBytes -= connection.unsentBytes;
        socket.close();
        answered.resolve();
        this.#events.closed?.(why);
      },
    };
    const touch = () => {
      if (!open) return;
      connection.quietSinceMs = clock.monotonic();
      cancelIdle();
      cancelIdle = clock.timer(idleMs, () => {
        if (connection.inFlight === 0) connection.close("idle");
        else touch();
      });
    };
    this.#connections.add(connection);
    this.#events.opened?.();
    touch();

    const answer = async (packet: Uint8Array) => {
      connection.inFlight++;
      const { hostname: address, port } = socket.remote;
      const responding = this.#respond(packet, { address, port }, "tcp");
      // What is answered at once counts at once, before the next query is looked at.
      const reply = responding instanceof Promise ? await responding : responding;
      if (reply !== undefined && open) await this.#send(connection, formatFrame(reply));
      connection.inFlight--;
      touch();
      answered.resolve();
      answered = Promise.withResolvers();
    };

    const frames = new TcpFrames(messageBytes);
    const buffer = new Uint8Array(messageBytes);
    try {
      for (;;) {
        const count = await socket.read(buffer);
        if (count === null) break;
        const isMore = frames.isOpen;
        const packets = frames.push(buffer.subarray(0, count));
        // Bytes that drip do not keep a connection: a message that has begun must come to its end.
        if (!isMore || packets.length > 0) touch();
        for (const packet of packets) {
          while (open && this.#isBusy(connection)) await answered.promise;
          if (open) void answer(packet);
        }
      }
      // Who has only ended its side still waits for answers.
      while (open && connection.inFlight > 0) await answered.promise;
      connection.close("end");
    } catch (error) {
      connection.close(error instanceof SyntaxError ? "broken" : "end");
    }
  }

  /** Whether a connection has to wait until an answer of its own is out. */
  #isBusy({ inFlight, unsentBytes }: Connection): boolean {
    const limits = this.#limits;
    return inFlight >= limits.inFlight || unsentBytes >= limits.unsentBytes ||
      // The other half is for those who read what they get, and for answers that were asked for already.
      (unsentBytes > 0 && this.#unsentBytes >= limits.allUnsentBytes / 2);
  }

  /** Writes after what is being written: two answers must not be mixed. Never rejects. */
  async #send(connection: Connection, frame: Uint8Array): Promise<void> {
    if (connection.unsentBytes === 0) connection.writingSinceMs = this.#clock.monotonic();
    connection.unsentBytes += frame.length;
    this.#unsentBytes += frame.length;
    // How long answers are that others have to give, no limit on queries knows.
    while (this.#unsentBytes > this.#limits.allUnsentBytes) closeSlowest(this.#connections);
    connection.writing = connection.writing.then(() => this.#write(connection, frame));
    await connection.writing;
  }

  async #write(connection: Connection, frame: Uint8Array): Promise<void> {
    if (!this.#connections.has(connection)) return;
    connection.writingSinceMs = this.#clock.monotonic();
    const cancel = this.#clock.timer(this.#limits.writeMs, () => connection.close("slow"));
    try {
      await connection.socket.write(frame);
    } catch {
      connection.close("end");
    } finally {
      cancel();
    }
    // What a closed one had is not counted any more.
    if (!this.#connections.has(connection)) return;
    connection.unsentBytes -= frame.length;
    this.#unsentBytes -= frame.length;
  }
}

/** Closes the connection whose client has not read an answer for longest. */
function closeSlowest(connections: Iterable<Connection>): void {
  const [slowest] = [...connections].filter(({ unsentBytes }) => unsentBytes > 0)
    .sort((a, b) => a.writingSinceMs - b.writingSinceMs || b.unsentBytes - a.unsentBytes);
  slowest?.close("slow");
}

/** Closes the connection that was quiet for longest. */
function makeRoom(candidates: readonly Connection[]): void {
  const [longest] = candidates.toSorted((a, b) =>
    Math.sign(a.inFlight) - Math.sign(b.inFlight) || a.quietSinceMs - b.quietSinceMs
  );
  longest?.close("limit");
}
