import type { Clock } from "../../kernel/clock.ts";
import { statusResponse } from "../../kube/status.ts";
import type { LastAlive } from "../link/last_alive.ts";
import type { CloudLink } from "../link/cloud_link.ts";

/**
 * Text of the warning on answers from the cache: constant, since client-go logs every different one.
 */
const WARNING = '299 edge-agent "answered by the edge node: the API server can not be reached"';

/** As constant, on writes that are accepted in the cloud's place. */
const JOURNALED =
  '299 edge-agent "accepted by the edge node: sent on when the API server can be reached"';

/** Subjects that are remembered; a kubelet has some hundred. */
const MAX_SUBJECTS = 4_096;
const MAX_SUBJECT_LENGTH = 1_024;

/** Marks answers that the cloud did not give. */
export class OfflineMarks {
  readonly #link: CloudLink;
  readonly #clock: Clock;
  readonly #lastAlive: Pick<LastAlive, "atMs">;
  /** What was warned about since the link was lost. */
  readonly #warned = new Set<string>();

  constructor(link: CloudLink, clock: Clock, lastAlive: Pick<LastAlive, "atMs">) {
    this.#link = link;
    this.#clock = clock;
    this.#lastAlive = lastAlive;
    link.subscribe(({ state }) => {
      if (state === "up") this.#warned.clear();
    });
  }

  /**
   * `Warning` (RFC 7234 5.5; once per subject and outage) and `Age` (RFC 9111 5.1; seconds since the answer
   * was known to be right).
   *
   * @param knownAtMs wall clock when it was; by default when the link was last alive
   */
  headers(
    subject: string,
    knownAtMs: number | undefined = this.#lastAlive.atMs,
  ): HeadersInit {
    const headers: Record<string, string> = {};
    if (knownAtMs !== undefined) {
      headers.age = String(Math.max(0, Math.floor((this.#clock.now() - knownAtMs) / 1_000)));
    }
    return { ...headers, ...this.#warning(subject, WARNING) };
  }

  /** `Warning` on a write that waits in the journal; once per subject and outage. */
  journaled(subject: string): HeadersInit {
    return this.#warning(subject, JOURNALED);
  }

  #warning(subject: string, warning: string): Record<string, string> {
    const key = subject.slice(0, MAX_SUBJECT_LENGTH);
    if (this.#warned.has(key)) return {};
    this.#warned.add(key);
    // One path has any number of spellings: warned twice does no harm, remembered for ever does.
    if (this.#warned.size > MAX_SUBJECTS) this.#warned.delete(this.#warned.values().next().value!);
    return { warning };
  }

  /** 504: the cloud can't be asked and the node does not know. Never 404: that would mean "deleted". */
  unknown(what: string): Response {
    return statusResponse({
      code: 504,
      reason: "Timeout",
      message:
        `${what}: the API server can not be reached (${this.#why()}) and the edge node has no copy`,
    });
  }

  /** 503 for a write that was not sent. */
  notSent(what: string): Response {
    return statusResponse({
      code: 503,
      reason: "ServiceUnavailable",
      message: `${what}: the API server can not be reached (${this.#why()}); nothing was changed`,
    });
  }

  /** 504 for a write that was cut in flight. */
  outcomeUnknown(what: string): Response {
    return statusResponse({
      code: 504,
      reason: "Timeout",
      message:
        `${what}: the connection to the API server broke before it answered: the outcome is unknown`,
    });
  }

  #why(): string {
    const { state } = this.#link;
    return `link ${state.state}${"cause" in state ? `: ${state.cause}` : ""}`;
  }
}
