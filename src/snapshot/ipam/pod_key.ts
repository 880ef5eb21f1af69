/** What stays the same when a pod is made again under its name, and so what an address sticks to. */
export interface PodKey {
  namespace: string;
  name: string;
}

/** Names of the API: no other ones come from a kubelet, and only these are written into files. */
const NAMESPACE = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

/** The key of a pod, or undefined when the two can't name one. */
export function toPodKey(namespace: unknown, name: unknown): PodKey | undefined {
  if (typeof namespace !== "string" || typeof name !== "string") return undefined;
  return NAMESPACE.test(namespace) && NAME.test(name) ? { namespace, name } : undefined;
}

/** `namespace/name`. */
export function formatPodKey({ namespace, name }: PodKey): string {
  return `${namespace}/${name}`;
}

/** Whether two keys name the same pod. */
export function isSamePod(a: PodKey, b: PodKey | undefined): boolean {
  return a.namespace === b?.namespace && a.name === b.name;
}
