/**
 * A kube-apiserver's door that writes down who asks what: requests go on to the cloud with a client's own
 * certificate, answers come back as they are.
 *
 * @module
 */

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createCa, issueServingCert } from "../../../src/kube/pki.ts";
import { serveHttps } from "../../../src/platform/https_server.ts";
import type { CertFiles } from "../certs.ts";
import type { Cluster } from "../cluster.ts";

/** One request with what it was answered. */
export interface Recorded {
  readonly method: string;
  /** With the query, as sent. */
  readonly path: string;
  readonly accept: string;
  readonly userAgent: string;
  readonly contentType: string | undefined;
  readonly body: Uint8Array | undefined;
  readonly status: number;
  readonly answerType: string;
}

/** A recording proxy in front of a cluster. */
export interface Recorder extends AsyncDisposable {
  /** Kubeconfig of the client to be recorded. */
  readonly kubeconfig: string;
  /** In the order of their answers' beginnings. */
  readonly records: readonly Recorded[];
}

/** Headers that belong to one connection or one encoding of a body. */
const NOT_PASSED_ON = ["authorization", "connection", "content-encoding", "content-length", "host"];

/** Whom to record. */
export interface RecorderOptions {
  /** The client's certificate in the cloud. */
  readonly certFiles: CertFiles;
  /** Where the client finds the recorder. */
  readonly hostname: string;
}

/** Starts one on a port of its own. */
export async function startRecorder(
  cluster: Cluster,
  { certFiles: { cert, key }, hostname }: RecorderOptions,
): Promise<Recorder> {
  await using stack = new AsyncDisposableStack();
  const read = (path: string) => readFile(path, "utf8");
  const client = stack.adopt(
    Deno.createHttpClient({
      caCerts: [await read(cluster.caFile)],
      cert: await read(cert),
      key: await read(key),
    }),
    (each) => each.close(),
  );
  const abort = stack.adopt(new AbortController(), (each) => each.abort());
  const ca = await createCa("recorder");
  const tls = await issueServingCert(ca, [hostname]);
  const records: Recorded[] = [];
  const server = stack.use(
    await serveHttps({ hostname, port: 0, tls }, async (request) => {
      const { method, headers } = request;
      const path = request.url.slice(new URL(request.url).origin.length);
      const body = request.body ? new Uint8Array(await request.arrayBuffer()) : undefined;
      // A constant, as the DOM's RequestInit, which is the one in force, knows no client.
      const init = {
        ...{ method, body, client, redirect: "manual" as const },
        headers: passedOn(headers),
        signal: AbortSignal.any([abort.signal, request.signal]),
      };
      const answer = await fetch(cluster.server + path, init);
      records.push({
        ...{ method, path, body, status: answer.status },
        accept: headers.get("accept") ?? "",
        userAgent: headers.get("user-agent") ?? "",
        contentType: headers.get("content-type") ?? undefined,
        answerType: answer.headers.get("content-type") ?? "",
      });
      return new Response(answer.body, {
        status: answer.status,
        headers: passedOn(answer.headers),
      });
    }),
  );
  const kubeconfig = join(cluster.folder, "recorder.kubeconfig");
  await writeFile(
    kubeconfig,
    JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      clusters: [{
        name: "recorder",
        cluster: {
          server: `https://${hostname}:${server.port}`,
          "certificate-authority-data": btoa(ca.cert),
        },
      }],
      users: [{ name: "client", user: { token: "recorded" } }],
      contexts: [{ name: "recorder", context: { cluster: "recorder", user: "client" } }],
      "current-context": "recorder",
    }),
    { mode: 0o600 },
  );
  const held = stack.move();
  return { kubeconfig, records, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

function passedOn(headers: Headers): Headers {
  const own = new Headers(headers);
  for (const name of NOT_PASSED_ON) own.delete(name);
  return own;
}
