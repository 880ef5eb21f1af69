import { CNI_CODE, CniError } from "./cni_error.ts";
import type { Call, HostLocalAnswer } from "./host_local.ts";
import { type IpamNetwork, type IpamPorts, lockIpam } from "./ipam_network.ts";
import { arrayOf, isObject, textOf } from "./loose_json.ts";
import type { PodKey } from "./pod_key.ts";

/** Key of the config under which a runtime lists the attachments that live (CNI 1.1). */
const VALID = "cni.dev/valid-attachments";

/**
 * GC: frees what belongs to none of the attachments that the runtime knows. Addresses whose pod is known
 * are held for it: a runtime collects when it starts after a reboot, just before the pods come back.
 */
export async function gc(
  ports: IpamPorts,
  network: IpamNetwork,
  call: Call,
): Promise<HostLocalAnswer> {
  const { request: { conf, stdin }, hostLocal } = call;
  const valid = validAttachments(conf[VALID]);
  using _lock = await lockIpam(ports);
  const { store } = network;
  const pods = await podsOf(network);
  await store.edit(async () => {
    for (const { ip, owner } of await store.entries()) {
      if (owner.kind !== "container") continue;
      const attachment = `${owner.containerID} ${owner.ifName}`;
      if (valid.has(attachment)) continue;
      await store.free(ip);
      const pod = pods.get(attachment);
      if (pod !== undefined) await store.hold(ip, pod);
    }
  });
  const kept = await store.holds();
  if (!(await hostLocal.versions()).includes("1.1.0")) return { code: 0, stdout: "", stderr: "" };
  const answer = await hostLocal.run("GC", stdin);
  // One that collects knows nothing of holds.
  for (const { ip, pod } of kept) await store.hold(ip, pod);
  return answer;
}

function validAttachments(list: unknown): Set<string> {
  if (!Array.isArray(list)) {
    throw new CniError(CNI_CODE.config, `GC without ${VALID} would free the addresses of all`);
  }
  return new Set(
    arrayOf(list).map((item) => {
      const id = isObject(item) ? textOf(item.containerID) : undefined;
      const ifName = isObject(item) ? textOf(item.ifname) : undefined;
      if (id !== undefined && ifName !== undefined) return `${id} ${ifName}`;
      throw new CniError(CNI_CODE.config, `${VALID} lists something that is no attachment`);
    }),
  );
}

/** The pods of the containers that are known. */
async function podsOf(network: IpamNetwork): Promise<Map<string, PodKey>> {
  const known = [...await network.results.all(), ...await network.records.all()];
  return new Map(
    known.filter(({ pod }) => pod !== undefined)
      .map(({ containerID, ifName, pod }) => [`${containerID} ${ifName}`, pod!]),
  );
}
