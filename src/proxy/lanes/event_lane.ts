import { toResponse } from "../../kube/answer.ts";
import { formatJson } from "../../kube/codec/json.ts";
import { negotiate } from "../../kube/accept.ts";
import { JSON_TYPE } from "../../kube/content_type.ts";
import { type EventObject, readEvent } from "../../kube/event_object.ts";
import type { ResourceRequest } from "../../kube/request_info.ts";
import { eventPath, type EventWrite, readEventWrite } from "../journal/event_write.ts";
import type { ProxyRequest } from "../upstream/forward.ts";
import { UnreachableError } from "../upstream/upstream.ts";
import { toWholeAnswer } from "../upstream/whole_answer.ts";
import {
  describeRequest,
  isProven,
  type LaneContext,
  type LaneHandler,
  prove,
} from "./lane_context.ts";

const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/**
 * Creates and patches of Events: forwarded, or journaled when the cloud can't be reached and sent later, in
 * their order and behind what already waits.
 */
export function createEventLane(context: LaneContext): LaneHandler {
  const { clock, forwarder, journal, kept, knownEvents, marks, metrics, random } = context;

  const readWrite = (request: ProxyRequest, body: Uint8Array): EventWrite | undefined => {
    const { headers, caller, query } = request;
    // It is answered in JSON, which every client of Kubernetes takes.
    if (!isProven(context, request) || negotiate(headers.get("accept"), [JSON_TYPE]) < 0) return;
    const write = readEventWrite(
      {
        info: request.info as ResourceRequest,
        caller: caller.key,
        query: String(query),
        contentType: headers.get("content-type"),
        userAgent: headers.get("user-agent") ?? "",
        body,
      },
      random,
      clock.now(),
    );
    return write !== undefined && journal.accepts(write.entry) ? write : undefined;
  };

  const toJournal = async ({ entry, path, result }: EventWrite): Promise<Response> => {
    const known = knownEvents.get(entry.caller, path);
    const event = result(known);
    // A patch alone does not make an Event.
    if (entry.verb === "create" || known !== undefined) knownEvents.set(entry.caller, path, event);
    journal.append(entry);
    // What is answered 201 must not be lost.
    await kept.written();
    metrics.answered("event", "journal");
    const headers = new Headers(marks.journaled(`${entry.caller} events`));
    headers.set("content-type", JSON_TYPE);
    const status = entry.verb === "create" ? 201 : 200;
    return new Response(formatJson(event) as Uint8Array<ArrayBuffer>, { status, headers });
  };

  return async (request) => {
    const body = await request.readBody() ?? new Uint8Array(0);
    const write = readWrite(request, body);
    if (write !== undefined && journal.isBehind(request.caller.key, write.entry.object)) {
      return await toJournal(write);
    }
    try {
      const response = await forwarder.send(request, { purpose: "short", body });
      prove(context, request, response);
      metrics.answered("event", "cloud");
      if (!response.ok) return response;
      const answer = await toWholeAnswer(response, request.signal, MAX_ANSWER_BYTES);
      const info = request.info as ResourceRequest;
      const event = eventOf(answer.body, answer.headers["content-type"] ?? null, info.group);
      if (event !== undefined && write !== undefined) {
        const { name, resourceVersion } = event.metadata;
        const { caller: { key } } = request;
        // From here on, the absence of this Event in an older list proves nothing to this client.
        context.seen.see(key, info, String(resourceVersion ?? ""));
        knownEvents.set(key, eventPath(info, String(name)), event);
      }
      return toResponse(answer);
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
      if (write !== undefined && (!error.sent || write.repeatable)) return await toJournal(write);
      metrics.answered("event", "unknown");
      const what = `Cannot ${describeRequest(request)}`;
      return error.sent ? marks.outcomeUnknown(what) : marks.notSent(what);
    }
  };
}

/** The Event of an answer; undefined for anything else. */
function eventOf(
  body: Uint8Array,
  contentType: string | null,
  group: string,
): EventObject | undefined {
  try {
    return readEvent(body, contentType, group);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
