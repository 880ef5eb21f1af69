import type { Peer } from "./model.ts";

/** flannel has one vxlan device for each. */
export function familyOf(link: string): 4 | 6 {
  return link.startsWith("flannel-v6.") ? 6 : 4;
}

/**
 * Peers by the devices that there are now. Those of a device that is gone are reached by the one that has taken its
 * place: what is not set there yet may be about to be. Where none has, they are gone, too.
 */
export function peersOver(links: readonly { name: string }[], peers: readonly Peer[]): Peer[] {
  const names = new Set(links.map(({ name }) => name));
  return peers.flatMap((peer) => {
    if (peer.kind !== "vxlan" || names.has(peer.link)) return [peer];
    const heir = links.find(({ name }) => familyOf(name) === familyOf(peer.link));
    return heir === undefined ? [] : [{ ...peer, link: heir.name }];
  });
}
