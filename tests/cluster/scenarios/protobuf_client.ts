/**
 * Protobuf as the scenarios read it, by a decoder of their own.
 *
 * @module
 */

import assert from "node:assert/strict";
import { decode, fieldsOf, openEnvelope, textAt } from "../../testing/protobuf.ts";
import { until } from "../poll.ts";
import { type FetchPath, PATIENCE_MS } from "./site.ts";

export const PROTOBUF = "application/vnd.kubernetes.protobuf";

/** The Accept header of typed Go clients: kubelet, kube-proxy, controllers. */
export const GO_ACCEPT = `${PROTOBUF},application/json`;

const LIST = "as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
const ONE = "as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/** The Accept headers of metadata informers, for lists and for everything else. */
export const METADATA_ACCEPT = `${PROTOBUF};${LIST},application/json;${LIST},application/json`;
export const METADATA_ACCEPT_ONE = `${PROTOBUF};${ONE},application/json;${ONE},application/json`;

/** An answer as it came. */
export interface RawAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly warning: string | null;
  readonly bytes: Uint8Array;
}

/** Fetches; throws when that takes too long. */
export async function fetchRaw(
  fetchPath: FetchPath,
  path: string,
  accept: string,
): Promise<RawAnswer> {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(new Error(`${path} was not answered`)), PATIENCE_MS);
  try {
    const response = await fetchPath(path, { headers: { accept }, signal: stop.signal });
    const { status, headers } = response;
    return {
      status,
      contentType: headers.get("content-type") ?? "",
      warning: headers.get("warning"),
      bytes: await response.bytes(),
    };
  } finally {
    clearTimeout(timer);
  }
}

/** A list, taken apart. */
export interface ProtobufList {
  readonly type: string;
  readonly resourceVersion: string;
  readonly token: string;
  readonly remaining: bigint | undefined;
  readonly items: readonly Uint8Array[];
}

/** Takes a list apart; the numbers are those of `generated.proto` of apimachinery. */
export function parseList(bytes: Uint8Array): ProtobufList {
  const { type, raw } = openEnvelope(bytes);
  const [meta] = fieldsOf(raw, 1);
  assert.ok(meta !== undefined, `a ${type} without metadata`);
  const remaining = decode(meta).find(({ field }) => field === 4)?.value;
  return {
    type,
    resourceVersion: textAt(meta, 2),
    token: textAt(meta, 3),
    remaining: typeof remaining === "bigint" ? remaining : undefined,
    items: fieldsOf(raw, 2),
  };
}

/** The name of an object as it lies in a list. */
export const nameOf = (item: Uint8Array): string => textAt(item, 1, 1);

/** Code, reason and message of a `Status`. */
export function parseStatus(bytes: Uint8Array): { code: number; reason: string; message: string } {
  const { type, raw } = openEnvelope(bytes);
  assert.equal(type, "v1 Status");
  const code = decode(raw).find(({ field }) => field === 6)?.value;
  return { code: Number(code), reason: textAt(raw, 4), message: textAt(raw, 3) };
}

/** A frame: its type, and its object byte by byte. */
export interface ProtobufFrame {
  readonly type: string;
  readonly name: string;
  readonly object: Uint8Array;
}

/** A watch in protobuf; its frames gather until it is disposed of. */
export class ProtobufWatch implements AsyncDisposable {
  readonly frames: ProtobufFrame[] = [];
  readonly contentType: string;
  #state: "open" | "ended" | "broken" = "open";
  readonly #stop: AbortController;
  readonly #reading: Promise<void>;

  private constructor(response: Response, stop: AbortController) {
    this.contentType = response.headers.get("content-type") ?? "";
    this.#stop = stop;
    this.#reading = this.#read(response);
  }

  /** Opens a watch; throws unless it is answered 200. */
  static async open(fetchPath: FetchPath, path: string, accept: string): Promise<ProtobufWatch> {
    const stop = new AbortController();
    const response = await fetchPath(path, { headers: { accept }, signal: stop.signal });
    if (response.status === 200) return new ProtobufWatch(response, stop);
    throw new Error(`${path} was answered ${response.status}: ${await response.text()}`);
  }

  get state(): "open" | "ended" | "broken" {
    return this.#state;
  }

  /** The changes, without bookmarks. */
  get changes(): ProtobufFrame[] {
    return this.frames.filter(({ type }) => type !== "BOOKMARK");
  }

  /** Waits until the frames are as wanted. */
  async waitFor(
    what: string,
    isThere: (frames: readonly ProtobufFrame[]) => boolean,
  ): Promise<void> {
    try {
      await until(what, () => isThere(this.frames), { timeoutMs: PATIENCE_MS });
    } catch (cause) {
      const frames = this.frames.map(({ type, name }) => `${type} ${name}`).join(", ");
      throw new Error(`The watch (${this.#state}) did not show ${what}: ${frames}`, { cause });
    }
  }

  /** Waits for a frame of a type about an object. */
  async sees(type: string, name: string): Promise<void> {
    await this.waitFor(
      `${type} ${name}`,
      (frames) => frames.some((frame) => frame.type === type && frame.name === name),
    );
  }

  async #read(response: Response): Promise<void> {
    let rest = new Uint8Array(0);
    try {
      for await (const chunk of response.body!) {
        rest = Uint8Array.from([...rest, ...chunk]);
        for (;;) {
          const length = rest.length < 4 ? Infinity : new DataView(rest.buffer).getUint32(0);
          if (rest.length < 4 + length) break;
          this.#take(rest.subarray(4, 4 + length));
          rest = rest.slice(4 + length);
        }
      }
      this.#state = rest.length === 0 ? "ended" : "broken";
    } catch {
      this.#state = "broken";
    }
  }

  #take(frame: Uint8Array): void {
    const [extension = new Uint8Array(0)] = fieldsOf(frame, 2);
    const [object = new Uint8Array(0)] = fieldsOf(extension, 1);
    const { raw } = openEnvelope(object);
    this.frames.push({ type: textAt(frame, 1), name: nameOf(raw), object: object.slice() });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#reading;
  }
}
