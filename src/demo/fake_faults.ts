import type { Clock } from "../kernel/clock.ts";
import type { AuditEntry } from "./fake_audit.ts";
import { failure, statusResponse } from "./fake_status.ts";

/** What can go wrong with one request. */
export type Fault =
  /** The apiserver itself refuses, with a Status and an Audit-Id. */
  | { kind: "status"; code: 403 | 429 | 500 | 503 | 504; retryAfterSeconds?: number }
  /** Something between answers in plain text, with neither Status nor Audit-Id. */
  | { kind: "middlebox"; code: 502 | 503 | 504 }
  /** No answer, not even headers, until the client gives up or the fake stops. */
  | { kind: "hang" }
  /** The body trickles. */
  | { kind: "drip"; bytesPerMs: number }
  /** The body breaks off with an error. */
  | { kind: "cut"; afterBytes: number }
  /** The body ends too early but cleanly, as one delimited by EOF does. */
  | { kind: "truncate"; afterBytes: number };

/** Says which requests a fault is for. */
export type Matcher = (entry: AuditEntry) => boolean;

const REASONS: Record<number, string> = {
  403: "Forbidden",
  429: "TooManyRequests",
  500: "InternalError",
  503: "ServiceUnavailable",
  504: "Timeout",
};

/** The faults that wait for their requests. */
export class FakeFaults {
  readonly #planned: { fault: Fault; matches: Matcher; times: number }[] = [];

  /** Lets the next request that matches fail; `times` Infinity: each one until {@linkcode clear}. */
  next(fault: Fault, matches: Matcher = () => true, times = 1): void {
    this.#planned.push({ fault, matches, times });
  }

  /** Forgets what is planned. */
  clear(): void {
    this.#planned.length = 0;
  }

  /** The fault for a request, used up by that. */
  take(entry: AuditEntry): Fault | undefined {
    const index = this.#planned.findIndex(({ matches }) => matches(entry));
    const plan = this.#planned[index];
    if (plan !== undefined && --plan.times <= 0) this.#planned.splice(index, 1);
    return plan?.fault;
  }
}

/** The answer that a fault gives in place of the real one; undefined when it spoils that one. */
export function faultResponse(fault: Fault | undefined): Response | undefined {
  if (fault?.kind === "middlebox") {
    const body = `<html><h1>${fault.code} no server available</h1></html>\n`;
    return new Response(body, { status: fault.code, headers: { "content-type": "text/html" } });
  }
  if (fault?.kind !== "status") return undefined;
  const { code, retryAfterSeconds } = fault;
  const details = retryAfterSeconds === undefined ? undefined : { retryAfterSeconds };
  const reason = REASONS[code]!;
  return statusResponse(failure(code, reason, `${reason}, as the test planned`, details));
}

/** Counts the bytes of a body into `entry` and spoils it as the fault says. */
export function spoil(
  body: ReadableStream<Uint8Array>,
  fault: Fault | undefined,
  entry: AuditEntry,
  clock: Clock,
  stop: AbortSignal,
): ReadableStream<Uint8Array> {
  const left = fault?.kind === "cut" || fault?.kind === "truncate" ? fault.afterBytes : Infinity;
  return body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      async transform(chunk, controller) {
        const part = chunk.subarray(0, left - entry.bytes);
        if (fault?.kind === "drip") {
          await drip(part, fault.bytesPerMs, (piece) => controller.enqueue(piece), clock, stop);
          if (stop.aborted) controller.error(new Error("the fake is stopping"));
        } else if (part.length > 0) controller.enqueue(part);
        entry.bytes += part.length;
        if (part.length === chunk.length) return;
        if (fault?.kind === "cut") controller.error(new Error("cut, as the test planned"));
        else controller.terminate();
      },
    }),
  );
}

async function drip(
  bytes: Uint8Array,
  bytesPerMs: number,
  write: (piece: Uint8Array) => void,
  clock: Clock,
  stop: AbortSignal,
): Promise<void> {
  const stepMs = 20;
  const step = Math.max(1, Math.round(bytesPerMs * stepMs));
  for (let at = 0; at < bytes.length && !stop.aborted; at += step) {
    write(bytes.subarray(at, at + step));
    await clock.sleep(step / bytesPerMs, stop);
  }
}

/** Resolves when the client or the fake is gone. */
export function gone(...signals: AbortSignal[]): Promise<void> {
  const any = AbortSignal.any(signals);
  if (any.aborted) return Promise.resolve();
  return new Promise((resolve) => any.addEventListener("abort", () => resolve(), { once: true }));
}
