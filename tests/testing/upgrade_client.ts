import type { ByteStream } from "../../src/kernel/byte_stream.ts";
import { dial } from "../../src/platform/dial.ts";
import { formatHead, type HeaderLines, type ResponseHead } from "../../src/platform/http_head.ts";
import { HttpReader } from "../../src/platform/http_reader.ts";

/** A client's connection on which it asked to leave HTTP. */
export interface UpgradeClient extends Disposable {
  readonly head: ResponseHead;
  readonly stream: ByteStream;
  /** The body of an answer other than 101. */
  body(): Promise<string>;
  /** Resolves once it has read `text`, or rejects when the connection ends before. */
  reads(text: string): Promise<void>;
  /** All bytes up to the end of the connection, or to its break. */
  readToEnd(): Promise<{ text: string; broken: boolean }>;
}

/** What a client sends. */
export interface UpgradeRequest {
  method?: string;
  path: string;
  headers?: HeaderLines;
  /** Sent first on the same connection, to be answered as ordinary requests. */
  before?: string[];
}

/** Asks a server at `url` to leave HTTP. */
export async function askUpgrade(
  { url, ca }: { url: string; ca?: string },
  { method = "POST", path, headers = [], before = [] }: UpgradeRequest,
): Promise<UpgradeClient> {
  const stream = await dial({ url, ca, signal: new AbortController().signal });
  const host: [string, string] = ["Host", new URL(url).host];
  for (const each of before) {
    await stream.write(formatHead(`GET ${each} HTTP/1.1`, [host]));
    const reader = new HttpReader({ ...stream, close: () => {} });
    await new Response(reader.body(await reader.head()) as ReadableStream<Uint8Array<ArrayBuffer>>)
      .bytes();
  }
  await stream.write(formatHead(`${method} ${path} HTTP/1.1`, [
    host,
    ["Connection", "Upgrade"],
    ...headers,
  ]));
  const reader = new HttpReader(stream);
  const head = await reader.head();
  const decoder = new TextDecoder();
  let early = head.status === 101 ? decoder.decode(reader.rest, { stream: true }) : "";
  return {
    head,
    stream,
    body: () => new Response(reader.body(head) as ReadableStream<Uint8Array<ArrayBuffer>>).text(),
    async reads(text) {
      while (!early.includes(text)) {
        const bytes = await stream.read();
        if (bytes === null) throw new Error(`the connection ended behind ${JSON.stringify(early)}`);
        early += decoder.decode(bytes, { stream: true });
      }
      early = early.slice(early.indexOf(text) + text.length);
    },
    async readToEnd() {
      try {
        for (let bytes; (bytes = await stream.read()) !== null;) {
          early += decoder.decode(bytes, { stream: true });
        }
        return { text: early, broken: false };
      } catch {
        return { text: early, broken: true };
      }
    },
    [Symbol.dispose]: () => stream.close(),
  };
}

/** Headers of the two ways of `kubectl exec`. */
export const SPDY: HeaderLines = [
  ["Upgrade", "SPDY/3.1"],
  ["X-Stream-Protocol-Version", "v5.channel.k8s.io"],
  ["Content-Length", "0"],
];
export const WEBSOCKET: HeaderLines = [
  ["Upgrade", "websocket"],
  ["Sec-WebSocket-Version", "13"],
  ["Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="],
  ["Sec-WebSocket-Protocol", "v5.channel.k8s.io"],
];
