import { withoutCbor } from "../../kube/accept.ts";
import type { RequestInfo } from "../../kube/request_info.ts";
import type { ClientConnection } from "../../platform/http_front.ts";
import type { Credential } from "./credentials.ts";
import type { Caller, Identities } from "../identity/identity.ts";
import type { CloudLink } from "../link/cloud_link.ts";
import type { Purpose } from "./connections.ts";
import { endToEndHeaders } from "./end_to_end_headers.ts";
import { isMiddlebox, UnreachableError, type Upstream } from "./upstream.ts";

/** A request of a client, read. */
export interface ProxyRequest {
  method: string;
  /** As it came, percent-encoded. */
  path: string;
  query: URLSearchParams;
  headers: Headers;
  info: RequestInfo;
  caller: Caller;
  /** What it came by; undefined for what the agent asks itself. */
  connection?: ClientConnection;
  /** Aborts when the client is gone or the agent stops. */
  signal: AbortSignal;
  readBody(): Promise<Uint8Array | undefined>;
}

/** Passes requests on to the cloud. */
export class Forwarder {
  readonly #upstream: Upstream;
  readonly #identities: Identities;
  readonly #link: CloudLink;

  constructor(upstream: Upstream, identities: Identities, link: CloudLink) {
    this.#upstream = upstream;
    this.#identities = identities;
    this.#link = link;
  }

  /**
   * The cloud's answer to the request.
   *
   * @throws {UnreachableError} when nobody answered who may answer for the cloud
   */
  async send(
    request: ProxyRequest,
    options: { purpose: Purpose; accept?: string; body?: Uint8Array },
  ): Promise<Response> {
    const { caller } = request;
    const headers = endToEndHeaders(request.headers);
    const accept = options.accept ?? headers.get("accept");
    if (accept !== null) headers.set("accept", withoutCbor(accept));
    const search = request.query.size > 0 ? `?${request.query}` : "";
    const credential = await readable(this.#identities.credential(caller));
    const response = await this.#upstream.send(credential, {
      method: request.method,
      pathAndQuery: request.path + search,
      headers,
      body: options.body,
      purpose: options.purpose,
      reader: "client",
      signal: request.signal,
    });
    const proxied = request.info.kind === "resource" && request.info.subresource === "proxy";
    if (!proxied) this.#identities.answered(caller.key, credential, response.status);
    return await fromCloud(response, caller.key, { proxied });
  }

  /** Like {@linkcode send} for a request that may be repeated: a broken connection alone is no outage. */
  async read(
    request: ProxyRequest,
    options: { purpose: Purpose; accept?: string; body?: Uint8Array },
  ): Promise<Response> {
    try {
      return await this.send(request, options);
    } catch (error) {
      if (!(error instanceof UnreachableError) || error.answered || !this.#link.isOpen) throw error;
      await this.#link.decided(request.signal);
      if (!this.#link.isOpen || request.signal.aborted) throw error;
      return await this.send(request, options);
    }
  }
}

/** A credential; one whose files are not there yet must be waited for, not refused. */
export async function readable(credential: Promise<Credential>): Promise<Credential> {
  try {
    return await credential;
  } catch (error) {
    throw new UnreachableError(error, { sent: false, answered: true });
  }
}

/**
 * An answer that the cloud gave to whoever asked.
 *
 * @param caller key of the caller
 * @param options `proxied`: it may come from behind the cloud, whose words it then is
 * @throws {UnreachableError} when a middlebox gave it, or when it is about the agent's own credential
 */
export async function fromCloud(
  response: Response,
  caller: string,
  options: { proxied?: boolean } = {},
): Promise<Response> {
  const middlebox = !options.proxied && isMiddlebox(response);
  // A client that has the right token must not hear that it has not: a kubelet would exit.
  const rejected = !options.proxied && caller.startsWith("identity:") && response.status === 401;
  if (!middlebox && !rejected) return response;
  await response.body?.cancel();
  const cause = rejected
    ? `it rejects the credential of ${caller}`
    : `a middlebox answers ${response.status}`;
  throw new UnreachableError(cause, { sent: !rejected, answered: true });
}
