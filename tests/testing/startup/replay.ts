import { bodyOf, type RecordedRequest } from "./recording.ts";
import { type FrameShape, mediaTypeOf, type ObjectShape, readFrames, shapeOf } from "./shape.ts";

/** `fetch` of a path as the node, by some way. */
export type SendRequest = (path: string, init: RequestInit) => Promise<Response>;

/** A recorded request and what it was answered now. */
export interface Replayed {
  readonly request: RecordedRequest;
  readonly status: number;
  readonly mediaType: string;
  readonly retryAfter: string | null;
  /** Of all but watches. */
  readonly object?: ObjectShape;
  /** Of a watch: its initial events. */
  readonly events?: readonly FrameShape[];
}

/** How long an answer may take on a busy machine. */
const PATIENCE_MS = 30_000;

/** Sends the requests one after the other, each as it was recorded. */
export async function replay(
  requests: readonly RecordedRequest[],
  { send, podUid, userAgent }: { send: SendRequest; podUid: string; userAgent: string },
): Promise<Replayed[]> {
  const replayed: Replayed[] = [];
  for (const request of requests) {
    const { method, path, accept, contentType } = request;
    const stop = new AbortController();
    const timer = setTimeout(
      () => stop.abort(new Error(`${method} ${path} was not answered in ${PATIENCE_MS} ms`)),
      PATIENCE_MS,
    );
    try {
      const answer = await send(path, {
        method,
        body: bodyOf(request, podUid),
        headers: {
          ...{ accept, "user-agent": userAgent },
          ...(contentType && { "content-type": contentType }),
        },
        signal: stop.signal,
      });
      replayed.push({ request, ...await readAnswer(answer, isWatch(request)) });
    } finally {
      clearTimeout(timer);
      stop.abort();
    }
  }
  return replayed;
}

/** One line for a message: what was asked, without what makes queries long. */
export function describe({ method, path }: RecordedRequest): string {
  return `${method} ${path.replace(/[?&]allowWatchBookmarks.*?(?=&fieldSelector|$)/, "?watch")}`;
}

/** Whether it is a request that goes on. */
export function isWatch({ path }: RecordedRequest): boolean {
  return /[?&]watch=true/.test(path);
}

async function readAnswer(
  answer: Response,
  watch: boolean,
): Promise<Omit<Replayed, "request">> {
  const contentType = answer.headers.get("content-type") ?? "";
  const head = {
    status: answer.status,
    mediaType: mediaTypeOf(contentType),
    retryAfter: answer.headers.get("retry-after"),
  };
  if (!watch || !answer.ok) {
    const body = new Uint8Array(await answer.arrayBuffer());
    return { ...head, object: shapeOf(contentType, body) };
  }
  const events: FrameShape[] = [];
  for await (const frame of readFrames(contentType, answer.body!)) {
    events.push(frame);
    if (frame.endsInitialEvents) return { ...head, events };
  }
  throw new Error(`The watch ended before its initial events did: ${JSON.stringify(events)}`);
}
