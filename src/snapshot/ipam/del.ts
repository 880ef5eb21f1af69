import { errorMessage } from "../../kernel/errors.ts";
import type { Call, HostLocalAnswer } from "./host_local.ts";
import { type IpamNetwork, type IpamPorts, lockIpam } from "./ipam_network.ts";
import type { Owner } from "./ip_store.ts";
import { usableIn } from "./wishes.ts";

/**
 * DEL: host-local frees the addresses, and those that this container really had are held for its pod, so
 * that nobody else gets them before it comes back. Needs no agent running.
 */
export async function del(
  ports: IpamPorts,
  network: IpamNetwork,
  call: Call,
): Promise<HostLocalAnswer> {
  const { request: { pod, ranges, stdin }, hostLocal } = call;
  // Without the lock a DEL is safe too, only the address may go to another: a full disk must not keep a
  // pod from ending.
  using _lock = await lockIpam(ports).catch((error) => {
    if (error?.code === "cni") throw error;
    call.log(`no lock: ${errorMessage(error)}`);
    return undefined;
  });
  const owned = pod === undefined ? [] : await ipsToHold(network, call).catch((error) => {
    call.log(`the addresses are not held: ${errorMessage(error)}`);
    return [];
  });
  const answer = await hostLocal.run("DEL", stdin);
  if (answer.code !== 0 || pod === undefined) return answer;
  for (const ip of owned.filter((ip) => ranges.some((set) => usableIn(set, [ip]).length > 0))) {
    await network.store.hold(ip, pod)
      .catch((error) => call.log(`${ip} is not held: ${errorMessage(error)}`));
  }
  return answer;
}

/** What the container has, unless its pod has another one already, which would never come for it. */
async function ipsToHold(network: IpamNetwork, call: Call): Promise<string[]> {
  const { containerID, ifName, pod } = call.request;
  const record = await network.records.get(pod!, ifName);
  if (record !== undefined && record.containerID !== containerID && await network.lives(record)) {
    for (const ip of record.ips) {
      const owner = await network.store.ownerOf(ip);
      if (owner?.kind === "container" && owner.containerID === record.containerID) return [];
    }
  }
  return await ownedIps(network, call);
}

/** What the container has in the store now: where records say first, which spares reading all of it. */
async function ownedIps(
  network: IpamNetwork,
  { request: { containerID, ifName, pod } }: Call,
): Promise<string[]> {
  const isOwn = (owner: Owner | undefined) =>
    owner?.kind === "container" && owner.containerID === containerID &&
    (owner.ifName === ifName || owner.ifName === "");
  const known = await network.findContainer(containerID, ifName, pod!);
  const named: string[] = [];
  for (const ip of known?.ips ?? []) {
    if (isOwn(await network.store.ownerOf(ip))) named.push(ip);
  }
  if (named.length > 0) return named;
  return (await network.store.entries()).filter(({ owner }) => isOwn(owner)).map(({ ip }) => ip);
}
