import type { ByteStream } from "../../kernel/byte_stream.ts";
import { errorMessage } from "../../kernel/errors.ts";
import { abortable } from "../../kube/body.ts";
import type { Dial } from "../../platform/dial.ts";
import { formatHead, type ResponseHead } from "../../platform/http_head.ts";
import { HttpReader } from "../../platform/http_reader.ts";
import type { Identities } from "../identity/identity.ts";
import type { Link } from "../link/link.ts";
import { type ProxyRequest, readable } from "./forward.ts";
import { upgradeHeaders } from "./upgrade_headers.ts";
import { UnreachableError } from "./upstream.ts";

/** What the cloud said to a request to leave HTTP. */
export type UpgradeAnswer =
  /**
   * 101: `cloud` speaks the other protocol now, `early` is what it already said in it, and `cut` aborts when
   * the link that it goes over is lost. Its bytes count as signs of life of that link.
   */
  | {
    kind: "switched";
    head: ResponseHead;
    cloud: ByteStream;
    early: Uint8Array;
    cut: AbortSignal;
  }
  /** Any other answer, body and all. */
  | { kind: "answered"; response: Response };

/** The server that is asked. */
export interface UpgradeTarget {
  /** `https://host:port`, perhaps with a path. */
  readonly url: string;
  ca(): Promise<string | undefined>;
  readonly link: Pick<Link, "state" | "isOpen" | "cut" | "alive" | "suspect" | "expect">;
}

/** Asks the cloud to switch protocols, on a connection of its own. */
export class Upgrader {
  readonly #target: () => UpgradeTarget;
  readonly #identities: Pick<Identities, "credential">;
  readonly #dial: Dial;

  /** @param target the server in use, asked for each request */
  constructor(target: () => UpgradeTarget, identities: Pick<Identities, "credential">, dial: Dial) {
    this.#target = target;
    this.#identities = identities;
    this.#dial = dial;
  }

  /**
   * Sends the request, once.
   *
   * @throws {UnreachableError} when there is no answer
   */
  async ask(request: ProxyRequest, body?: Uint8Array): Promise<UpgradeAnswer> {
    const target = this.#target();
    const { url, link } = target;
    if (!link.isOpen) {
      throw new UnreachableError(`the link is ${link.state.state}`, { sent: false });
    }
    const { cut } = link;
    const signal = AbortSignal.any([request.signal, cut]);
    const credential = await readable(this.#identities.credential(request.caller));
    const ca = await target.ca().catch((error) => {
      throw new UnreachableError(error, { sent: false, answered: true });
    });
    const search = request.query.size > 0 ? `?${request.query}` : "";
    const path = new URL(url).pathname.replace(/\/+$/, "") + request.path + search;
    const head = formatHead(
      `${request.method} ${path} HTTP/1.1`,
      upgradeHeaders(request, { host: new URL(url).host, token: credential.token, body }),
    );
    const answered = link.expect("answer");
    let cloud: ByteStream | undefined;
    let sent = false;
    try {
      const { certificate } = credential;
      cloud = observed(await this.#dial({ url, ca, certificate, signal }), () => link.alive());
      sent = true;
      const reader = new HttpReader(cloud);
      await abortable(cloud.write(head), signal);
      if (body !== undefined) await abortable(cloud.write(body), signal);
      const answer = await abortable(reader.head(), signal);
      if (answer.status === 101) {
        return { kind: "switched", head: answer, cloud, early: reader.rest, cut };
      }
      const { close } = cloud;
      signal.addEventListener("abort", () => close(), { once: true });
      return { kind: "answered", response: toResponse(answer, reader) };
    } catch (error) {
      cloud?.close();
      if (request.signal.aborted) throw request.signal.reason;
      link.suspect(errorMessage(error));
      throw new UnreachableError(error, { sent });
    } finally {
      answered();
    }
  }
}

/** The stream with each of its bytes counted as a sign of life. */
function observed(stream: ByteStream, alive: () => void): ByteStream {
  return {
    async read() {
      const bytes = await stream.read();
      if (bytes !== null) alive();
      return bytes;
    },
    write: (bytes) => stream.write(bytes),
    closeWrite: () => stream.closeWrite(),
    close: () => stream.close(),
  };
}

/** What only concerned the hop from the cloud. */
const HOP_BY_HOP = new Set(["connection", "keep-alive", "transfer-encoding", "upgrade"]);

function toResponse(head: ResponseHead, reader: HttpReader): Response {
  const headers = new Headers();
  for (const [name, value] of head.headers) {
    if (!HOP_BY_HOP.has(name.toLowerCase())) headers.append(name, value);
  }
  // The body ends where its stream does.
  const body = reader.body(head) as ReadableStream<Uint8Array<ArrayBuffer>> | null;
  headers.delete("content-length");
  return new Response(body, { status: head.status, headers });
}
