import type { Logger } from "@logtape/logtape";
import type { Clock } from "../../kernel/clock.ts";
import { errorMessage } from "../../kernel/errors.ts";
import { isSame } from "../../kernel/is_same.ts";
import { RefusedError } from "../../kube/answer.ts";
import { ApiClient } from "../../kube/api_client.ts";
import { parseJson } from "../../kube/codec/json.ts";
import { JSON_ENCODING } from "../../kube/codec/json_encoding.ts";
import { Informer } from "../../kube/informer.ts";
import type { Fs } from "../../platform/fs.ts";
import type { FactsKind, FactsOf, ZoneChange } from "../zone/cluster_state.ts";
import { toEndpointSliceFacts } from "../zone/endpoint_slice_facts.ts";
import { toNamespaceFacts } from "../zone/namespace_facts.ts";
import { toPodFacts } from "../zone/pod_facts.ts";
import { toServiceFacts } from "../zone/service_facts.ts";

/** What a source works with. */
export interface ClusterSourcePorts {
  fs: Fs;
  clock: Clock;
  logger: Logger;
  /** 0 to 1 exclusive, for jitter. */
  random: () => number;
  /** Whether endpoints are named after their pods. */
  podNames: boolean;
  /** What is known of an object: kept where nothing is different, so that nothing is in memory twice. */
  known<K extends FactsKind>(kind: K, key: string): FactsOf[K] | undefined;
  /** All objects of a kind, and every change of one. */
  replaced<K extends FactsKind>(kind: K, objects: ReadonlyMap<string, FactsOf[K]>): void;
  applied(change: ZoneChange): void;
  /** A kind may not be listed, with the rights that there are. */
  refused(kind: FactsKind): void;
}

/** What is asked of the API, and how much of each object matters. */
const KINDS: {
  [K in FactsKind]: {
    path: string;
    read: (object: unknown, ports: ClusterSourcePorts) => FactsOf[K];
  };
} = {
  service: { path: "/api/v1/services", read: toServiceFacts },
  endpointSlice: { path: "/apis/discovery.k8s.io/v1/endpointslices", read: toEndpointSliceFacts },
  namespace: { path: "/api/v1/namespaces", read: toNamespaceFacts },
  pod: { path: "/api/v1/pods", read: toPodFacts },
};

/** Of an answer to whoever is known, and may not. */
const FORBIDDEN = 403;

/** The cluster's objects that a zone is made of, by list and watch with the rights of a kubeconfig. */
export class ClusterSource implements Disposable {
  readonly #client: ApiClient;
  readonly #ports: ClusterSourcePorts;

  constructor(kubeconfig: string, ports: ClusterSourcePorts) {
    this.#client = new ApiClient(ports.fs, kubeconfig);
    this.#ports = ports;
  }

  /** Follows kinds of objects until `signal` aborts; pods are those of one node. Never rejects. */
  async run(kinds: readonly FactsKind[], nodeName: string, signal: AbortSignal): Promise<void> {
    await Promise.all(kinds.map((kind) => this.#follow(kind, nodeName, signal)));
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }

  #follow<K extends FactsKind>(kind: K, nodeName: string, signal: AbortSignal): Promise<void> {
    const { clock, random, logger, known, replaced, applied, refused } = this.#ports;
    const { path, read } = KINDS[kind];
    // Said once until it works again: the tries go on.
    let told = "";
    return new Informer<FactsOf[K]>({
      path,
      query: kind === "pod" ? { fieldSelector: `spec.nodeName=${nodeName}` } : {},
      encoding: JSON_ENCODING,
      read: (object) => {
        const facts = read(parseJson(object), this.#ports);
        const former = known(kind, keyOf(facts));
        return former !== undefined && isSame(former, facts) ? former : facts;
      },
      // What is the same was read as the very same.
      equals: (a, b) => a === b,
      send: this.#client.send,
      clock,
      random,
      changed: () => {},
      events: {
        replaced: (objects) => {
          told = "";
          replaced(kind, objects);
        },
        applied: (key, facts) => applied({ kind, key, facts } as ZoneChange),
      },
      failed: (error) => {
        if (error instanceof RefusedError && error.answer.status === FORBIDDEN) refused(kind);
        const text = errorMessage(error);
        if (text !== told) logger.warn("can not follow the cluster", { kind, error: text });
        told = text;
      },
    }).run(signal);
  }
}

function keyOf(facts: FactsOf[FactsKind]): string {
  return "namespace" in facts ? `${facts.namespace}/${facts.name}` : facts.name;
}
