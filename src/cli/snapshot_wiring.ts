import * as z from "zod/mini";
import type { Clock } from "../kernel/clock.ts";
import { createHttpClient, type HttpClient } from "../platform/net.ts";
import type { SnapshotConfig } from "../snapshot/config.ts";
import { type LinkPort, type LinkState, UNKNOWN_LINK } from "../snapshot/link_port.ts";
import type { AgentConfig } from "./agent_config.ts";
import { kubeconfigOf } from "./identity_kubeconfig.ts";

/**
 * The section with the kubeconfigs that the proxy makes for its identities `flannel` and `kubelet`, where no
 * others are named: they are whom such questions are allowed to, and the proxy answers them from what it has.
 */
export function snapshotConfig(
  config: AgentConfig,
  snapshot: SnapshotConfig,
): SnapshotConfig {
  const nodes = kubeconfigOf(config, "flannel");
  const pods = kubeconfigOf(config, "kubelet");
  return {
    ...snapshot,
    nodesKubeconfig: snapshot.nodesKubeconfig ?? nodes,
    podsKubeconfig: snapshot.podsKubeconfig ?? pods,
  };
}

/** What of the proxy tells how the link is. */
export interface LinkTeller {
  readonly link: { readonly state: string } | undefined;
  subscribeLink(listener: () => void): () => void;
}

/** Who knows of the link: the proxy in this process, another one, or nobody. */
export function linkFor(
  { linkStatus }: SnapshotConfig,
  proxy: LinkTeller | undefined,
  clock: Clock,
): LinkPort {
  if (proxy !== undefined) return proxyLink(proxy);
  return linkStatus === undefined ? UNKNOWN_LINK : remoteLink(linkStatus, clock);
}

/** What a state of the proxy's link means here; in doubt it is what it was. */
function toLinkState(state: string | undefined, before: LinkState): LinkState {
  if (state === "up") return "up";
  return state === "down" || state === "rejected" ? "down" : before;
}

/** The link as the proxy in this process knows it. */
export function proxyLink(proxy: LinkTeller): LinkPort {
  let last: LinkState = "unknown";
  return {
    get state() {
      return last = toLinkState(proxy.link?.state, last);
    },
    subscribe: (listener) => proxy.subscribeLink(listener),
  };
}

const Status = z.object({
  modules: z.array(z.object({
    name: z.string(),
    status: z.object({ link: z.optional(z.object({ state: z.string() })) }),
  })),
});

/** How often another process is asked, ms. */
const ASK_MS = 2_000;

/** How long its answer may take, ms: a process that hangs knows nothing of the link. */
const ANSWER_MS = 5_000;

/** The link as the proxy of another process tells it on its status page. */
export function remoteLink(url: string, clock: Clock): LinkPort {
  let state: LinkState = "unknown";
  const listeners = new Set<() => void>();
  const ask = async (client: HttpClient, signal: AbortSignal): Promise<LinkState> => {
    const limit = new AbortController();
    const cancel = clock.timer(ANSWER_MS, () => limit.abort());
    try {
      const either = AbortSignal.any([signal, limit.signal]);
      const response = await client.fetch(url, { signal: either });
      const { data } = Status.safeParse(await response.json());
      const proxy = data?.modules.find(({ name }) => name === "proxy");
      return toLinkState(proxy?.status.link?.state, state);
    } finally {
      cancel();
    }
  };
  return {
    get state() {
      return state;
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async run(signal) {
      using client = createHttpClient({ protocol: "http/1.1" });
      while (!signal.aborted) {
        const next = await ask(client, signal).catch((): LinkState => "unknown");
        if (next !== state) {
          state = next;
          listeners.forEach((listener) => listener());
        }
        await clock.sleep(ASK_MS, signal);
      }
    },
  };
}
