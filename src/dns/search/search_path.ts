import { MAX_NAME_BYTES, nameSize } from "../wire/name.ts";

/**
 * The names that a pod's resolver asks for behind `name`, if that is the first on its search path:
 * `api.example.com.web.svc.cluster.local` of a pod in namespace `web` is followed by
 * `api.example.com.svc.cluster.local`, … and `api.example.com`. All are keys.
 *
 * @param zone the cluster zone
 * @param hostDomains what the kubelet appends: the search list of its `resolvConf`
 */
export function restOfSearchPath(
  name: string,
  { namespace, zone, hostDomains }: {
    namespace: string;
    zone: string;
    hostDomains: readonly string[];
  },
): string[] | undefined {
  const first = `${namespace}.svc.${zone}`;
  if (!name.endsWith(`.${first}`)) return undefined;
  const base = name.slice(0, -first.length - 1);
  const domains = new Set([`svc.${zone}`, zone, ...hostDomains]);
  domains.delete(first);
  return [...[...domains].map((domain) => `${base}.${domain}`), base]
    .filter((candidate) => nameSize(candidate) <= MAX_NAME_BYTES);
}
