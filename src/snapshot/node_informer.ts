import type { Logger } from "@logtape/logtape";
import type { Clock } from "../kernel/clock.ts";
import { errorMessage } from "../kernel/errors.ts";
import { ApiClient } from "../kube/api_client.ts";
import { parseJson } from "../kube/codec/json.ts";
import { JSON_ENCODING } from "../kube/codec/json_encoding.ts";
import { Informer } from "../kube/informer.ts";
import type { Fs } from "../platform/fs.ts";
import { type NodeFacts, toNodeFacts } from "./node_facts.ts";

/** What an informer of Nodes works with. */
export interface NodeInformerPorts {
  fs: Fs;
  clock: Clock;
  logger: Logger;
  random: () => number;
  changed: () => void;
}

/** The cluster's Nodes, as far as flannel is concerned. */
export interface NodeInformer extends Disposable {
  /** Undefined before the first list. */
  readonly objects: readonly NodeFacts[] | undefined;
  run(signal: AbortSignal): Promise<void>;
}

/** Mirrors the Nodes with the rights of a kubeconfig, in JSON as flanneld asks: a cache serves both from one watch. */
export function createNodeInformer(
  kubeconfig: string,
  { fs, clock, logger, random, changed }: NodeInformerPorts,
): NodeInformer {
  const client = new ApiClient(fs, kubeconfig);
  let told = "";
  const informer = new Informer<NodeFacts>({
    path: "/api/v1/nodes",
    encoding: JSON_ENCODING,
    read: (object) => toNodeFacts(parseJson(object)),
    equals: (a, b) => JSON.stringify(a) === JSON.stringify(b),
    send: client.send,
    clock,
    random,
    changed: () => {
      told = "";
      changed();
    },
    failed: (error) => {
      const text = errorMessage(error);
      if (text !== told) logger.warn("can not follow the Nodes", { error: text });
      told = text;
    },
  });
  return {
    get objects() {
      return informer.objects;
    },
    run: (signal) => informer.run(signal),
    [Symbol.dispose]: () => client[Symbol.dispose](),
  };
}
