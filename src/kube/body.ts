/** Reading HTTP bodies so that an abort always ends the read. */

/**
 * The chunks of a response's body.
 *
 * Holds the Response itself: with only the reader held, a fetch abort is lost once the Response has been
 * collected. Cancels the reader on abort, because the fetch's own signal may come late or never.
 *
 * @throws the signal's reason when it aborts, or whatever broke the body
 */
export async function* chunksOf(
  response: Response,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  const onAbort = () => void reader.cancel(signal.reason).catch(() => {});
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    for (;;) {
      signal.throwIfAborted();
      const { done, value } = await reader.read();
      signal.throwIfAborted();
      if (done) return;
      yield value;
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    // Frees the connection when the consumer stops in the middle; harmless after the end.
    await reader.cancel().catch(() => {});
  }
}

/** The whole body, at most `maxBytes`. @throws {RangeError} when it is longer. */
export async function readBody(
  response: Response,
  signal: AbortSignal,
  maxBytes: number,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunksOf(response, signal)) {
    size += chunk.length;
    if (size > maxBytes) {
      throw new RangeError(`Cannot read a body of more than ${maxBytes} bytes`);
    }
    parts.push(chunk);
  }
  const body = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    body.set(part, at);
    at += part.length;
  }
  return body;
}

/** Settles as `promise` does, or rejects with the signal's reason as soon as it aborts. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) {
      promise.catch(() => {});
      return onAbort();
    }
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
