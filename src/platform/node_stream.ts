import type { Socket } from "node:net";
import type { ByteStream } from "../kernel/byte_stream.ts";

/** What a socket's native handle can do; null once it is closed. */
type Handle = { readStop(): void; readStart(): void } | null;

/**
 * Holds up what a client sends. `pause()` of a `node:tls` socket does not do it in Deno 2.9.6: the bytes are
 * read on into memory without a limit, and an end that comes meanwhile is never told (seen: 600 MB in 2 s, a
 * client that left stays for ever). Its TCP socket's handle, stopped and started, is exact.
 */
export class ReadGate {
  readonly #socket: Socket;
  #open = true;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** No more than the 64 KiB that were read already come from now on. */
  shut(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#handle()?.readStop();
  }

  open(): void {
    if (this.#open) return;
    this.#open = true;
    this.#handle()?.readStart();
  }

  #handle(): Handle {
    const socket = this.#socket as unknown as { _parent?: { _handle: Handle }; _handle: Handle };
    return socket._parent ? socket._parent._handle : socket._handle;
  }
}

/** A socket of Node's that nobody else reads any more; `gate` is its own. */
export function toByteStream(socket: Socket, gate: ReadGate): ByteStream {
  // The other side may have said all it wants to and still listen.
  socket.allowHalfOpen = true;
  const received: Uint8Array[] = [];
  let state: "open" | "ended" | "closed" = "open";
  let wake = () => {};
  const closed = Promise.withResolvers<never>();
  // Nobody may be waiting.
  closed.promise.catch(() => {});
  const onClose = () => {
    if (state === "open") state = "closed";
    closed.reject(new Error("the connection was closed"));
    wake();
  };
  socket.on("error", onClose);
  socket.once("close", onClose);
  if (socket.destroyed) onClose();
  socket.once("end", () => {
    if (state === "open") state = "ended";
    wake();
  });
  gate.shut();
  socket.on("data", (chunk: Uint8Array) => {
    received.push(chunk);
    gate.shut();
    wake();
  });
  socket.resume();
  return {
    async read() {
      for (;;) {
        const chunk = received.shift();
        if (chunk !== undefined) return chunk;
        if (state === "ended") return null;
        if (state === "closed") throw new Error("the connection was closed");
        gate.open();
        await new Promise<void>((resolve) => wake = resolve);
      }
    },
    write: (bytes) => Promise.race([written(socket, bytes), closed.promise]),
    closeWrite: () =>
      Promise.race([new Promise<void>((resolve) => socket.end(resolve)), closed.promise]),
    close: () => void socket.destroy(),
  };
}

function written(socket: Socket, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(bytes, (error) => error ? reject(error) : resolve());
  });
}
