import type { UpstreamState } from "./upstream.ts";

/** What happens between the forwarder and its upstreams, for logs and metrics. `upstream` is `host:port`. */
export type ForwardEvent =
  /** An upstream answered. */
  | { kind: "answered"; upstream: string; transport: "udp" | "tcp"; rcode: number; ms: number }
  /** It did not, in the time that it was given, or at all. */
  | { kind: "failed"; upstream: string; why: string }
  /** A packet came that is no reply: `source`, `id`, `question` or `malformed`. */
  | { kind: "ignored"; upstream: string; why: string }
  | {
    kind: "state";
    upstream: string;
    /** The zone, a key, for whose names it is asked. */
    zone: string;
    from: UpstreamState["state"];
    to: UpstreamState["state"];
  };

/** Takes notice of events; never throws. */
export type Notice = (event: ForwardEvent) => void;
