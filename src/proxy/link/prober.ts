import type { Clock } from "../../kernel/clock.ts";
import { errorMessage } from "../../kernel/errors.ts";
import { abortable } from "../../kube/body.ts";
import type { HttpClient } from "../../platform/net.ts";
import type { Connections, UpstreamServer } from "../upstream/connections.ts";
import type { ProbeResult } from "./link_state.ts";
import { isMiddlebox } from "../upstream/upstream.ts";

/** Messages of rustls when the server is not who it should be. */
const UNTRUSTED = /invalid peer certificate|UnknownIssuer|CertificateUnknown|self[- ]signed/i;

/** Asks `/readyz` on a connection that is kept from probe to probe, and replaced after a failure. */
export class Prober implements Disposable {
  readonly #server: UpstreamServer;
  readonly #connections: Connections;
  readonly #clock: Clock;
  #client: HttpClient | undefined;

  constructor(server: UpstreamServer, connections: Connections, clock: Clock) {
    this.#server = server;
    this.#connections = connections;
    this.#clock = clock;
  }

  /** One probe; gives up after `timeoutMs`. */
  async probe(timeoutMs: number, signal: AbortSignal): Promise<ProbeResult> {
    const late = new AbortController();
    const cancel = this.#clock.timer(timeoutMs, () => late.abort());
    const limit = AbortSignal.any([signal, late.signal]);
    const startedAt = this.#clock.monotonic();
    try {
      this.#client ??= await this.#connections.anonymous();
      const url = `${this.#server.url}/readyz`;
      const response = await abortable(
        this.#client.fetch(url, { method: "GET", signal: limit }),
        limit,
      );
      await abortable(response.arrayBuffer(), limit);
      if (isMiddlebox(response)) {
        return { result: "silent", cause: `a middlebox answers ${response.status}` };
      }
      return { result: "answered", roundTripMs: this.#clock.monotonic() - startedAt };
    } catch (error) {
      this[Symbol.dispose]();
      const cause = late.signal.aborted
        ? `no answer to a probe within ${timeoutMs} ms`
        : errorMessage(error);
      return { result: UNTRUSTED.test(cause) ? "rejected" : "silent", cause };
    } finally {
      cancel();
    }
  }

  [Symbol.dispose](): void {
    this.#client?.[Symbol.dispose]();
    this.#client = undefined;
  }
}
