import type { Clock } from "./clock.ts";

/** A connection as bytes both ways. */
export interface ByteStream {
  /** What came, at least one byte; null at the end. Rejects when the connection broke or was closed. */
  read(): Promise<Uint8Array | null>;
  /** Resolves when the bytes are out of our hands: whoever waits for it holds no more than one piece. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends the writing side behind what was written: the other side reads the end. */
  closeWrite(): Promise<void>;
  /** Closes at once. Again is harmless. */
  close(): void;
}

/**
 * Time that one direction gets to end after the other has, ms. kube-apiserver ends both at once; this
 * leaves what is under way the time to arrive.
 */
export const LINGER_MS = 5_000;

/** Which side ended a splice first, or that it was aborted. */
export type SpliceEnd = "left" | "right" | "aborted";

/**
 * Carries bytes both ways until both sides have ended, one of them breaks, or `signal` aborts; then both are
 * closed. What was read before an end is delivered before the other side sees that end.
 */
export async function splice(
  [left, right]: readonly [ByteStream, ByteStream],
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<SpliceEnd> {
  let first: SpliceEnd | undefined;
  const lingering = new AbortController();
  const close = () => {
    left.close();
    right.close();
  };
  const nameOf = (side: ByteStream): SpliceEnd => side === left ? "left" : "right";
  const onAbort = () => {
    first ??= "aborted";
    close();
  };
  const pump = async (from: ByteStream, to: ByteStream) => {
    // Whose fault it is if the next step fails.
    let at = from;
    try {
      for (;;) {
        at = from;
        const bytes = await from.read();
        if (bytes === null) break;
        at = to;
        await to.write(bytes);
      }
      first ??= nameOf(from);
      await to.closeWrite();
    } catch {
      // Nothing more can be carried in this direction, nor asked in the other.
      first ??= nameOf(at);
      close();
    }
  };
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  const pumps = [pump(left, right), pump(right, left)] as const;
  await Promise.race(pumps);
  const both = Promise.all(pumps).then(() => lingering.abort());
  await clock.sleep(LINGER_MS, lingering.signal);
  close();
  await both;
  signal.removeEventListener("abort", onAbort);
  return first!;
}
