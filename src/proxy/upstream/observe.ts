import { errorMessage } from "../../kernel/errors.ts";
import type { Link } from "../link/link.ts";
import type { Lease } from "./connection.ts";
import type { UpstreamRequest } from "./exchange.ts";
import { UnreachableError } from "./unreachable.ts";

/**
 * What is read ahead of a client of a shared connection: any object (etcd takes 1.5 MiB, JSON may triple
 * it), so that one that does not read keeps nobody waiting.
 */
const READ_AHEAD_BYTES = 5 * 1024 * 1024;

/** Who learns of an answer's bytes, and of its end. */
export interface Observed {
  link: Pick<Link, "alive" | "suspect" | "expect">;
  lease: Pick<Lease, "alive">;
  request: UpstreamRequest;
  /** Ends the body, with an error. */
  signal: AbortSignal;
  /** Called when nothing more will be read. */
  end(): void;
}

/** The response with every byte of its body counted as a sign of life. */
export function observe(
  response: Response,
  { link, lease, request, signal, end }: Observed,
): Response {
  const { status } = response;
  const headers = new Headers(response.headers);
  // fetch has decoded the body; both describe what was on the wire.
  headers.delete("content-encoding");
  headers.delete("content-length");
  if (response.body === null) {
    end();
    return new Response(null, { status, headers });
  }
  const { purpose, reader: readBy = "agent" } = request;
  // These may rightly be silent for long.
  const isFinite = purpose === "short" || purpose === "list";
  const reader = response.body.getReader();
  // With only the reader held, the Response may be collected, and with it the fetch's abort.
  let held: Response | undefined = response;
  const onAbort = () => void reader.cancel(signal.reason).catch(() => {});
  signal.addEventListener("abort", onAbort, { once: true });
  const finish = () => {
    held = undefined;
    signal.removeEventListener("abort", onAbort);
    end();
  };
  const read = async () => {
    const came = isFinite ? link.expect("body") : undefined;
    try {
      return await reader.read();
    } finally {
      came?.();
    }
  };
  const stop = async (controller: ReadableStreamDefaultController, error: unknown) => {
    finish();
    await reader.cancel(error).catch(() => {});
    controller.error(new UnreachableError(error, { sent: true }));
  };
  const shared = purpose === "short" || (purpose === "watch" && readBy === "client");
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await read();
          // A cancelled reader yields a clean end: the abort must not look like one.
          signal.throwIfAborted();
          if (done || held === undefined) {
            finish();
            return controller.close();
          }
          lease.alive();
          link.alive();
          controller.enqueue(value);
          // Whoever shares a connection with it must not wait for a client that does not read.
          if (purpose === "watch" && shared && controller.desiredSize! <= 0) {
            await stop(controller, new Error("the client does not read its watch"));
          }
        } catch (error) {
          if (!signal.aborted) link.suspect(errorMessage(error));
          await stop(controller, error);
        }
      },
      async cancel(reason) {
        finish();
        await reader.cancel(reason).catch(() => {});
      },
    },
    shared
      ? new ByteLengthQueuingStrategy({ highWaterMark: READ_AHEAD_BYTES })
      : new CountQueuingStrategy({ highWaterMark: 0 }),
  );
  return new Response(body, { status, headers });
}
