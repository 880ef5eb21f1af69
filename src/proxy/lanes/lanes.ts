import type { RequestInfo } from "../../kube/request_info.ts";
import type { Caller } from "../identity/identity.ts";
import { isUpgrade } from "../upstream/upgrade_headers.ts";

/**
 * How a request is treated.
 *
 * - `list`, `watch`: answered by hubs
 * - `get`: forwarded and kept
 * - `discovery`: forwarded and kept for everybody who may ask
 * - `token`: a token is asked for: forwarded, the last one kept
 * - `review`: a POST that only asks: forwarded, the answer kept for a while
 * - `ask`: the same by somebody for whom nothing is kept
 * - `event`: an Event is written: forwarded, or journaled
 * - `write`: forwarded at most once
 * - `stream`: piped through while the link is up
 * - `upgrade`: leaves HTTP: exec, attach, port-forward, whatever the cloud speaks WebSocket with
 * - `forward`: passed on, never kept
 */
export type Lane =
  | "list"
  | "watch"
  | "get"
  | "discovery"
  | "token"
  | "review"
  | "ask"
  | "event"
  | "write"
  | "stream"
  | "upgrade"
  | "forward";

/** What decides about the lane. */
export interface LaneRequest {
  method: string;
  info: RequestInfo;
  headers: Headers;
  query: URLSearchParams;
  caller: Caller;
}

const STREAMED = new Set(["log", "proxy", "exec", "attach", "portforward"]);
/** The question is in the body. */
const REVIEWS = new Set([
  "authentication.k8s.io/tokenreviews",
  "authentication.k8s.io/selfsubjectreviews",
  "authorization.k8s.io/subjectaccessreviews",
  "authorization.k8s.io/localsubjectaccessreviews",
  "authorization.k8s.io/selfsubjectaccessreviews",
  "authorization.k8s.io/selfsubjectrulesreviews",
]);
const READ_VERBS = new Set(["get", "list", "watch"]);
const DISCOVERY = /^\/(api|apis|version|openapi|\.well-known|openid)(\/|$)/;

const impersonates = (headers: Headers) =>
  [...headers.keys()].some((name) => name.startsWith("impersonate-"));

/** Nothing is kept for whoever can't say who they are or speaks for another, and a rehearsal leaves no trace. */
const leavesNoTrace = ({ caller, headers, query }: LaneRequest) =>
  caller.kind === "anonymous" || impersonates(headers) || query.has("dryRun");

const asksForToken = ({ info }: LaneRequest) =>
  info.kind === "resource" && info.verb === "create" && info.group === "" &&
  info.resource === "serviceaccounts" && info.subresource === "token";

const asksForReview = ({ info }: LaneRequest) =>
  info.kind === "resource" && info.verb === "create" &&
  REVIEWS.has(`${info.group}/${info.resource}`);

/** Of one Event, in its namespace. */
const writesEvent = ({ info }: LaneRequest) =>
  info.kind === "resource" && info.resource === "events" && info.subresource === "" &&
  (info.group === "" || info.group === "events.k8s.io") && info.namespace !== "" &&
  (info.name === "" ? info.verb === "create" : info.verb === "patch");

/** First match wins. */
const TABLE: readonly { lane: Lane; when: (request: LaneRequest) => boolean }[] = [
  // The socket leaves HTTP: nothing else below applies.
  { lane: "upgrade", when: ({ headers }) => isUpgrade(headers) },
  // Unbounded bodies, of the container's making; and what should have been an upgrade, which the cloud says.
  {
    lane: "stream",
    when: ({ info }) => info.kind === "resource" && STREAMED.has(info.subresource),
  },
  { lane: "token", when: (request) => asksForToken(request) && !leavesNoTrace(request) },
  { lane: "review", when: (request) => asksForReview(request) && !leavesNoTrace(request) },
  { lane: "ask", when: (request) => asksForToken(request) || asksForReview(request) },
  { lane: "event", when: (request) => writesEvent(request) && !leavesNoTrace(request) },
  {
    lane: "write",
    when: ({ info }) => info.kind === "resource" && !READ_VERBS.has(info.verb),
  },
  // Whoever can't say who they are, or speaks for another, has nothing kept for them.
  {
    lane: "forward",
    when: ({ caller, headers }) => caller.kind === "anonymous" || impersonates(headers),
  },
  // A kube-apiserver has no HEAD for objects: its 405 is its own.
  { lane: "forward", when: ({ method }) => method === "HEAD" },
  { lane: "list", when: ({ info }) => info.kind === "resource" && info.verb === "list" },
  // A watch of one object by its path (deprecated) is nothing that a hub could serve.
  {
    lane: "watch",
    when: ({ info }) => info.kind === "resource" && info.verb === "watch" && info.name === "",
  },
  { lane: "get", when: ({ info }) => info.kind === "resource" && info.verb === "get" },
  {
    lane: "discovery",
    when: ({ info }) =>
      info.kind === "non-resource" && info.method === "GET" && DISCOVERY.test(info.path),
  },
  // Health, metrics and whatever is not Kubernetes: the cloud's business.
  { lane: "forward", when: () => true },
];

/** The lane of a request. */
export function laneOf(request: LaneRequest): Lane {
  return TABLE.find(({ when }) => when(request))!.lane;
}
