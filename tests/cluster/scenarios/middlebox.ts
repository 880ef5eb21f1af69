/**
 * A TLS-terminating proxy between the agent and the cloud, as sites have them. It can spoil what passes.
 *
 * @module
 */

import { createCa, issueServingCert } from "../../../src/kube/pki.ts";
import type { TestProxy } from "../../testing/test_proxy.ts";
import { linkIs } from "./outage.ts";
import { type FetchPath, type Site } from "./site.ts";

/** What it does to an answer. */
export type Spoil =
  /** Says that nobody is there, in words of its own. */
  | { readonly kind: "status"; readonly code: number }
  /** Resets the stream behind so many bytes of the body. */
  | { readonly kind: "reset"; readonly afterBytes: number }
  /** Ends the body cleanly behind so many bytes, as one delimited by the end of the connection does. */
  | { readonly kind: "truncate"; readonly afterBytes: number };

/** A running middlebox; set {@linkcode Middlebox.spoil} to choose what it does to whom. */
export class Middlebox implements AsyncDisposable {
  /** Asked for each answer; by default nothing is spoiled. */
  spoil: (path: string) => Spoil | undefined = () => undefined;
  readonly url: string;
  /** Its authority, PEM. */
  readonly ca: string;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #stop: AbortController;

  private constructor(server: Deno.HttpServer<Deno.NetAddr>, ca: string, stop: AbortController) {
    this.#server = server;
    this.ca = ca;
    this.#stop = stop;
    this.url = `https://127.0.0.1:${server.addr.port}`;
  }

  /** Starts one; whoever passes is the administrator to the cloud. */
  static async start(cloud: FetchPath): Promise<Middlebox> {
    const ca = await createCa("middlebox");
    const stop = new AbortController();
    const certificate = await issueServingCert(ca, ["127.0.0.1"]);
    let box: Middlebox;
    const server: Deno.HttpServer<Deno.NetAddr> = Deno.serve({
      hostname: "127.0.0.1",
      port: 0,
      ...certificate,
      signal: stop.signal,
      onListen: () => {},
      // The error that resets a stream is on purpose.
      onError: () => new Response(null, { status: 500 }),
    }, (request): Promise<Response> => box.#handle(request, cloud));
    return box = new Middlebox(server, ca.cert, stop);
  }

  async #handle(request: Request, cloud: FetchPath): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    const spoil = this.spoil(pathname + search);
    if (spoil?.kind === "status") {
      const body = `<html><h1>${spoil.code} no server available</h1></html>\n`;
      return new Response(body, { status: spoil.code, headers: { "content-type": "text/html" } });
    }
    const headers = new Headers(request.headers);
    headers.delete("host");
    headers.delete("authorization");
    // Bytes are counted as the agent sees them.
    headers.set("accept-encoding", "identity");
    const signal = AbortSignal.any([request.signal, this.#stop.signal]);
    const { method } = request;
    const body = method === "GET" ? undefined : await request.bytes();
    const answer = await cloud(pathname + search, { method, headers, body, signal });
    const passed = new Headers(answer.headers);
    passed.delete("content-length");
    const cut = spoil === undefined ? answer.body : answer.body?.pipeThrough(cutter(spoil));
    return new Response(cut, { status: answer.status, headers: passed });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#server.finished;
  }
}

/** A proxy that reaches the cloud through a middlebox, and the middlebox. */
export async function throughMiddlebox(
  site: Site,
  stateDir?: string,
): Promise<{ box: Middlebox; proxy: TestProxy }> {
  const box = site.use(await Middlebox.start(site.direct));
  const directory = await site.directory();
  const [caFile, tokenFile] = [`${directory}/ca.crt`, `${directory}/token`];
  await Deno.writeTextFile(caFile, box.ca);
  await Deno.writeTextFile(tokenFile, "whoever");
  const upstream = { server: box.url, caFile };
  const identities = [{ name: "admin", tokenFile }];
  const proxy = await site.proxy({ upstream, identities }, { stateDir });
  await linkIs(proxy, "up");
  return { box, proxy };
}

function cutter(
  { kind, afterBytes }: Exclude<Spoil, { kind: "status" }>,
): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let left = afterBytes;
  return new TransformStream({
    transform(chunk, controller) {
      const part = chunk.subarray(0, left);
      left -= part.length;
      if (part.length > 0) controller.enqueue(part);
      if (left > 0) return;
      if (kind === "reset") controller.error(new Error("reset, as the test planned"));
      else controller.terminate();
    },
  });
}
