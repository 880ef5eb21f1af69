import type { Clock } from "../../kernel/clock.ts";
import { errorMessage } from "../../kernel/errors.ts";
import { abortable } from "../../kube/body.ts";
import type { CloudServer } from "./cloud_server.ts";
import type { Lease } from "./connection.ts";
import type { Purpose, Reader } from "./connections.ts";
import type { Credential } from "./credentials.ts";
import { isMiddlebox } from "./middlebox.ts";
import { observe } from "./observe.ts";
import { UnreachableError } from "./unreachable.ts";
import { FullConnectionError } from "./watch_limit.ts";

/** Of a server, what an exchange needs. */
export type Exchanging = Pick<CloudServer, "url" | "link" | "connections">;

/** A request to the cloud. */
export interface UpstreamRequest {
  method: string;
  pathAndQuery: string;
  headers: Headers;
  body?: Uint8Array;
  purpose: Purpose;
  /** Who reads the answer; the agent by default. */
  reader?: Reader;
  signal: AbortSignal;
}

/** Messages of a connection that was never made. */
const NOT_CONNECTED =
  /client error \(Connect\)|error trying to connect|connection refused|dns error/i;

/** The server had no room for one more stream, and says that nothing was processed (RFC 9113, 8.7). */
const REFUSED_STREAM = /refused stream/i;

/** Time without an answer after which the connection is doubted, though the link lives. */
const MIN_DOUBT_MS = 4_000;
/** How much later than its `timeoutSeconds` a watch may end before it is held for forgotten. */
const OVERDUE_MS = 30_000;
/**
 * One request to one server and its answer, whatever its status. The server's link learns of every byte.
 *
 * @throws {UnreachableError} when there is none
 */
export async function exchange(
  server: Exchanging,
  credential: Credential,
  request: UpstreamRequest,
  clock: Clock,
): Promise<Response> {
  for (;;) {
    try {
      return await exchangeOnce(server, credential, request, clock);
    } catch (error) {
      if (!(error instanceof FullConnectionError)) throw error;
      // A watch that nobody has answered: nothing has failed, so its next try need not wait.
    }
  }
}

/** On one connection. @throws {FullConnectionError} when it is better off on another one */
async function exchangeOnce(
  server: Exchanging,
  credential: Credential,
  request: UpstreamRequest,
  clock: Clock,
): Promise<Response> {
  const { link } = server;
  const isDown = () => new UnreachableError(`the link is ${link.state.state}`, { sent: false });
  if (!link.isOpen) throw isDown();
  const lease = await takeLease(server, credential, request);
  if (!link.isOpen) {
    // Connections are cut when it goes down: this one came too late for that.
    lease.release();
    throw isDown();
  }
  const overdue = new AbortController();
  const signal = AbortSignal.any([request.signal, lease.lost, overdue.signal]);
  const stopWaiting = expectAnswer(server, lease, overdue, clock);
  const cancelDeadline = watchDeadline(request, overdue, clock);
  let ended = false;
  const end = () => {
    if (ended) return;
    ended = true;
    stopWaiting();
    cancelDeadline();
    lease.release();
  };
  try {
    const send = () =>
      lease.client.fetch(server.url + request.pathAndQuery, {
        method: request.method,
        headers: withCredential(request.headers, credential),
        body: request.body as Uint8Array<ArrayBuffer> | undefined,
        signal,
      });
    // Again once it is known how many streams there may be: then it waits for its turn.
    const sent = send().catch((error) => {
      if (!REFUSED_STREAM.test(errorMessage(error))) throw error;
      return send();
    });
    const response = await abortable(sent, signal);
    stopWaiting();
    lease.alive();
    // Somebody lives, but perhaps not the cloud: a probe decides.
    if (isMiddlebox(response)) link.suspect(`a middlebox answers ${response.status}`);
    else link.alive();
    return observe(response, { link, lease, request, signal, end });
  } catch (error) {
    end();
    if (request.signal.aborted) throw request.signal.reason;
    if (overdue.signal.reason instanceof FullConnectionError) throw overdue.signal.reason;
    const message = errorMessage(error);
    link.suspect(message);
    const unsent = NOT_CONNECTED.test(message) || REFUSED_STREAM.test(message);
    throw new UnreachableError(error, { sent: signal.aborted || !unsent });
  }
}

/** A credential or an authority that can't be used now is no reason to fail: its files may be changing. */
async function takeLease(
  { connections }: Exchanging,
  credential: Credential,
  { purpose, reader }: UpstreamRequest,
): Promise<Lease> {
  try {
    return await connections.take(credential, purpose, reader);
  } catch (error) {
    throw new UnreachableError(error, { sent: false, answered: true });
  }
}

/** Silence counts, for the link and then for the connection, until the returned function is called. */
function expectAnswer(
  { link }: Exchanging,
  lease: Lease,
  overdue: AbortController,
  clock: Clock,
): () => void {
  const answered = link.expect("answer");
  const sentMs = clock.monotonic();
  const doubtMs = Math.max(MIN_DOUBT_MS, 2 * link.patienceMs);
  let cancel = () => {};
  const wait = () => {
    cancel = clock.timer(doubtMs, () => {
      wait();
      if (lease.doubt(sentMs)) overdue.abort(new FullConnectionError());
    });
  };
  wait();
  return () => {
    answered();
    cancel();
  };
}

/** A watch that outlives the time that it was asked for is one that its server no longer knows of. */
function watchDeadline(
  { purpose, pathAndQuery }: UpstreamRequest,
  overdue: AbortController,
  clock: Clock,
): () => void {
  const seconds = Number(/[?&]timeoutSeconds=(\d+)(&|$)/.exec(pathAndQuery)?.[1] ?? 0);
  if (purpose !== "watch" || seconds === 0) return () => {};
  return clock.timer(
    seconds * 1_000 + OVERDUE_MS,
    () => overdue.abort(new Error(`a watch of ${seconds} s did not end`)),
  );
}

function withCredential(headers: Headers, { token }: Credential): Headers {
  const all = new Headers(headers);
  all.set("accept-encoding", "gzip");
  if (token !== undefined) all.set("authorization", `Bearer ${token}`);
  return all;
}
