import type { DnsConfig } from "../dns/config.ts";
import type { AgentConfig } from "./agent_config.ts";
import { kubeconfigOf } from "./identity_kubeconfig.ts";
import type { LinkTeller } from "./snapshot_wiring.ts";

/**
 * The section with the kubeconfigs that the proxy makes for its identities, where no others are named: CoreDNS's may
 * list all that a zone is made of, kube-proxy's all but Namespaces.
 */
export function dnsConfig(config: AgentConfig, dns: DnsConfig): DnsConfig {
  const kubeconfig = kubeconfigOf(config, "coredns") ?? kubeconfigOf(config, "kube-proxy");
  return {
    ...dns,
    kubeconfig: dns.kubeconfig ?? kubeconfig,
    podsKubeconfig: dns.podsKubeconfig ?? kubeconfigOf(config, "kubelet"),
  };
}

/** Tells when a proxy's link comes up or goes down, and at once if it is down. */
export function onLink(
  proxy: LinkTeller,
): (listener: (state: "up" | "down") => void) => () => void {
  return (listener) => {
    let before = proxy.link?.state;
    if (before === "down") listener(before);
    return proxy.subscribeLink(() => {
      const now = proxy.link?.state;
      if (now !== before && (now === "up" || now === "down")) listener(now);
      before = now;
    });
  };
}
