import type { Clock } from "../../kernel/clock.ts";

/**
 * Time that a client may leave what is there for it unread, ms; it is cut before twice of it has passed. Kernel
 * and runtime hold some megabytes for it before: one that is merely slow, or a pager over a short list, never
 * gets here.
 */
export const PATIENCE_MS = 60_000;

/**
 * The body, cut when its reader takes nothing for {@linkcode PATIENCE_MS} although there is something. Behind
 * a list stands a snapshot of the store, which keeps the write-ahead log growing, or a stream of the cloud's that
 * shares its window with others: a client that stopped reading must not hold them for ever. A quiet
 * watch, which waits for events, is not meant.
 *
 * @param stuck told when it happens, once
 */
export function withPatience(
  body: ReadableStream<Uint8Array>,
  clock: Clock,
  stuck: () => void,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  /** Whether a piece was handed over behind which nothing was asked for yet. */
  let unread = false;
  /** Whether anything was asked for since the last look. */
  let asked = true;
  let cancelTimer = () => {};
  const watch = (controller: ReadableStreamDefaultController<Uint8Array>) => {
    asked = false;
    cancelTimer = clock.timer(PATIENCE_MS, () => {
      if (asked || !unread) return watch(controller);
      const reason = new Error(`the client read nothing for ${PATIENCE_MS / 1_000} s`);
      controller.error(reason);
      void reader.cancel(reason).catch(() => {});
      stuck();
    });
  };
  return new ReadableStream<Uint8Array>({
    start: watch,
    async pull(controller) {
      unread = false;
      asked = true;
      try {
        const { done, value } = await reader.read();
        if (done) {
          cancelTimer();
          return controller.close();
        }
        controller.enqueue(value);
        unread = true;
      } catch (error) {
        cancelTimer();
        controller.error(error);
      }
    },
    async cancel(reason) {
      cancelTimer();
      await reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
}
