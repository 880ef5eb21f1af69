/**
 * A site whose hosts run the agent with `proxy` and `snapshot`, and flanneld with the proxy as its only API.
 *
 * @module
 */

import type { NodeAgent } from "../node/agent.ts";
import type { Service } from "../node/machine.ts";
import { until } from "../poll.ts";
import type { EdgeHost } from "../site/edge_host.ts";
import type { EdgeSite } from "../site/edge_site.ts";

/** Quicker than by default, so that tests needn't wait. */
const SECTION = { debounce: "100ms", verifyInterval: "2s", underlayWait: "2s" };

/** The newest snapshot on a host's disk, as far as tests look at it. */
interface Kept {
  readonly generation: number;
  readonly content: {
    readonly peers: readonly { readonly subnet: string }[];
    readonly links: readonly { readonly mac: string; readonly local: string }[];
  };
}

/** The agents and flannelds of a site. */
export class SnapshotSite {
  readonly #site: EdgeSite;
  readonly #agents = new Map<EdgeHost, NodeAgent>();
  readonly #flannelds = new Map<EdgeHost, Service>();

  private constructor(site: EdgeSite) {
    this.#site = site;
  }

  /** Starts agents and flannelds on all hosts and waits until pods can be added. */
  static async start(site: EdgeSite, section: Record<string, unknown> = {}): Promise<SnapshotSite> {
    const lab = new SnapshotSite(site);
    await Promise.all(site.hosts.map(async (host) => {
      const agent = await host.installAgent(
        { identities: [site.flannelIdentity] },
        { snapshot: { ...SECTION, ...section } },
      );
      lab.#agents.set(host, agent);
      await agent.start();
      lab.startFlanneld(host);
    }));
    await Promise.all(site.hosts.map((host) => lab.flannelReady(host)));
    return lab;
  }

  /** The agent of a host. */
  agentOf(host: EdgeHost): NodeAgent {
    return this.#agents.get(host)!;
  }

  /** Starts flanneld with the agent as its only API. */
  startFlanneld(host: EdgeHost): Service {
    const kubeconfig = this.agentOf(host).kubeconfig("flannel");
    const service = host.startFlanneld({ kubeconfig });
    this.#flannelds.set(host, service);
    return service;
  }

  /** Waits until flanneld has ways to all other hosts. */
  async flannelReady(host: EdgeHost): Promise<void> {
    await host.flannelReady(this.#flannelds.get(host)!, this.#site.hosts.length - 1);
  }

  /** What a host has on its disk. */
  async kept(host: EdgeHost): Promise<Kept> {
    return JSON.parse(await Deno.readTextFile(host.outside("/var/lib/edge-agent/network.json")));
  }

  /** Waits until every host has all its peers on its disk: what pods have is there once they run. */
  async keptAll(): Promise<void> {
    for (const host of this.#site.hosts) {
      await this.keptUntil(
        host,
        `the snapshot of ${host.name} to be whole`,
        ({ content }) => content.peers.length >= this.#site.hosts.length - 1,
      );
    }
  }

  /** Waits until what a host has on its disk is as it should be; tells what its agent said if it never is. */
  async keptUntil(
    host: EdgeHost,
    what: string,
    isRight: (kept: Kept) => boolean,
    timeoutMs?: number,
  ): Promise<void> {
    try {
      await until(what, async () => isRight(await this.kept(host)), { timeoutMs });
    } catch (cause) {
      const log = await this.agentOf(host).log();
      throw new Error(`${(cause as Error).message}\n${log.slice(-4_000)}`, { cause });
    }
  }
}
