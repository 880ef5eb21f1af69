import type { RequestInfo } from "../../kube/request_info.ts";
import type { Caller } from "../identity/identity.ts";

/**
 * How a request is treated.
 *
 * - `list`, `watch`: answered by hubs
 * - `get`: forwarded and kept
 * - `discovery`: forwarded and kept for everybody who may ask
 * - `ask`: a POST that only asks: forwarded, never kept
 * - `write`: forwarded at most once
 * - `stream`: piped through while the link is up
 * - `upgrade`: exec, attach and port-forward
 * - `forward`: passed on, never kept
 */
export type Lane =
  | "list"
  | "watch"
  | "get"
  | "discovery"
  | "ask"
  | "write"
  | "stream"
  | "upgrade"
  | "forward";

/** What decides about the lane. */
export interface LaneRequest {
  info: RequestInfo;
  headers: Headers;
  caller: Caller;
}

const UPGRADED = new Set(["exec", "attach", "portforward"]);
/** The question is in the body. */
const REVIEWS = new Set([
  "tokenreviews",
  "subjectaccessreviews",
  "localsubjectaccessreviews",
  "selfsubjectaccessreviews",
  "selfsubjectrulesreviews",
  "selfsubjectreviews",
]);
const READ_VERBS = new Set(["get", "list", "watch"]);
const DISCOVERY = /^\/(api|apis|version|openapi|\.well-known|openid)(\/|$)/;

const impersonates = (headers: Headers) =>
  [...headers.keys()].some((name) => name.startsWith("impersonate-"));

/** First match wins. */
const TABLE: readonly { lane: Lane; when: (request: LaneRequest) => boolean }[] = [
  // The socket leaves HTTP: nothing else below applies.
  {
    lane: "upgrade",
    when: ({ info, headers }) =>
      headers.has("upgrade") || (info.kind === "resource" && UPGRADED.has(info.subresource)),
  },
  // Unbounded bodies, of the container's making.
  {
    lane: "stream",
    when: ({ info }) =>
      info.kind === "resource" && (info.subresource === "log" || info.subresource === "proxy"),
  },
  {
    lane: "ask",
    when: ({ info }) =>
      info.kind === "resource" && info.verb === "create" &&
      (REVIEWS.has(info.resource) || info.subresource === "token"),
  },
  {
    lane: "write",
    when: ({ info }) => info.kind === "resource" && !READ_VERBS.has(info.verb),
  },
  // Whoever can't say who they are, or speaks for another, has nothing kept for them.
  {
    lane: "forward",
    when: ({ caller, headers }) => caller.kind === "anonymous" || impersonates(headers),
  },
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
