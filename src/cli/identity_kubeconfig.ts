import type { AgentConfig } from "./agent_config.ts";

/** The kubeconfig that the proxy writes for an identity; undefined where the config has none of that name. */
export function kubeconfigOf(
  { stateDir, proxy }: AgentConfig,
  identity: string,
): string | undefined {
  return proxy?.identities.some(({ name }) => name === identity)
    ? `${stateDir}/kubeconfigs/${identity}.kubeconfig`
    : undefined;
}
