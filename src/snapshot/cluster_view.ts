import type { Logger } from "@logtape/logtape";
import type { Clock } from "../kernel/clock.ts";
import { errorMessage } from "../kernel/errors.ts";
import { isSame } from "../kernel/is_same.ts";
import { ApiClient } from "../kube/api_client.ts";
import { parseJson } from "../kube/codec/json.ts";
import { JSON_ENCODING } from "../kube/codec/json_encoding.ts";
import { PROTOBUF_ENCODING } from "../kube/codec/protobuf/encoding.ts";
import { Informer, type InformerOptions } from "../kube/informer.ts";
import { objectKey } from "../kube/object_meta.ts";
import type { Fs } from "../platform/fs.ts";
import { type NodeFacts, toNodeFacts } from "./node_facts.ts";

/** What a view of the cluster works with. */
export interface ClusterViewPorts {
  fs: Fs;
  clock: Clock;
  logger: Logger;
  random: () => number;
  changed: () => void;
  /** Called with every word of the server, before `changed`. */
  heard?: () => void;
}

/** A collection of the API as far as it matters here. */
export interface ClusterView<T> extends Disposable {
  /** Undefined before the first list. */
  readonly objects: readonly T[] | undefined;
  /** When the server said something last, monotonic ms; undefined while it says nothing that counts. */
  readonly heardAtMs: number | undefined;
  /** Works until `signal` aborts. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

/** Servers send a bookmark every minute: who hears nothing for longer than this follows a dead watch, ms. */
const SILENCE_MS = 180_000;

/**
 * Whether what a view shows is so now. What was heard before the link came up may be as old as the outage: a cache
 * tells it all the same.
 *
 * @param upSinceMs monotonic ms; undefined while the link is not up
 */
export function isFresh(
  { heardAtMs }: Pick<ClusterView<unknown>, "heardAtMs">,
  upSinceMs: number | undefined,
  nowMs: number,
): boolean {
  return heardAtMs !== undefined && upSinceMs !== undefined && heardAtMs >= upSinceMs &&
    nowMs - heardAtMs < SILENCE_MS;
}

/** The cluster's Nodes, asked in JSON as flanneld asks: a cache serves both from one watch. */
export function viewNodes(kubeconfig: string, ports: ClusterViewPorts): ClusterView<NodeFacts> {
  return view(kubeconfig, "can not follow the Nodes", ports, {
    path: "/api/v1/nodes",
    encoding: JSON_ENCODING,
    read: (object) => toNodeFacts(parseJson(object)),
    equals: isSame,
  });
}

/** The pods of a node as `namespace/name`, by the very question that its kubelet asks. */
export function viewPods(
  kubeconfig: string,
  nodeName: string,
  ports: ClusterViewPorts,
): ClusterView<string> {
  return view(kubeconfig, "can not follow this node's pods", ports, {
    path: "/api/v1/pods",
    query: { fieldSelector: `spec.nodeName=${nodeName}` },
    encoding: PROTOBUF_ENCODING,
    read: (object) => {
      const { namespace, name } = PROTOBUF_ENCODING.readMeta(object);
      return objectKey(namespace, name);
    },
    equals: (a, b) => a === b,
  });
}

function view<T>(
  kubeconfig: string,
  complaint: string,
  { fs, clock, logger, random, changed, heard }: ClusterViewPorts,
  what: Pick<InformerOptions<T>, "path" | "query" | "encoding" | "read" | "equals">,
): ClusterView<T> {
  const client = new ApiClient(fs, kubeconfig);
  // Said once until it works again: the tries go on.
  let told = "";
  let heardAtMs: number | undefined;
  const informer = new Informer<T>({
    ...what,
    send: client.send,
    clock,
    random,
    changed,
    heard: () => {
      told = "";
      heardAtMs = clock.monotonic();
      heard?.();
    },
    failed: (error) => {
      heardAtMs = undefined;
      const text = errorMessage(error);
      if (text !== told) logger.warn(complaint, { error: text });
      told = text;
    },
  });
  return {
    get objects() {
      return informer.objects;
    },
    get heardAtMs() {
      return heardAtMs;
    },
    run: (signal) => informer.run(signal),
    [Symbol.dispose]: () => client[Symbol.dispose](),
  };
}
