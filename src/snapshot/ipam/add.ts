import { errorMessage } from "../../kernel/errors.ts";
import { CniError } from "./cni_error.ts";
import type { FormerPods } from "./former_pods.ts";
import { type Call, type HostLocalAnswer, saysDuplicate, saysFull } from "./host_local.ts";
import { type IpamNetwork, type IpamPorts, lockIpam } from "./ipam_network.ts";
import { capacityOf, type RangeSet } from "./ip_ranges.ts";
import { objectOf, parseJson } from "./loose_json.ts";
import { resultIps } from "./cni_result.ts";
import { isSamePod } from "./pod_key.ts";
import { withIps } from "./plugin_request.ts";
import { countIn, formerIps, judge, usableIn } from "./wishes.ts";

/** Above this share of a range set in use, a pod that needs a new address costs the oldest hold. */
const RECLAIM_ABOVE_PERCENT = 80n;

/**
 * ADD: host-local allocates, and is asked for the pod's former addresses where they can be had.
 *
 * The record is written after the lock is given back: pods that start together share the disk's commits.
 * A power cut in between costs the pod's claim on its new address, never more: the container is gone too.
 */
export async function add(
  ports: IpamPorts,
  network: IpamNetwork,
  call: Call,
  former: FormerPods,
): Promise<HostLocalAnswer> {
  const { request } = call;
  const { pod } = request;
  const wanted = pod === undefined || request.askedIps.length > 0
    ? []
    : await formerIps(network, { pod, ifName: request.ifName }, former.ipsOf);
  let answer: HostLocalAnswer;
  {
    using _lock = await lockIpam(ports);
    answer = await new Allocation(network, call).run(wanted);
  }
  if (answer.code !== 0 || pod === undefined) return answer;
  const { uid, containerID, ifName, netns } = request;
  const ips = resultIps(objectOf(parseJson(answer.stdout)));
  if (ips.length === 0) return answer;
  const timeMs = ports.clock.now();
  await network.records.put({
    network: network.name,
    pod,
    uid,
    containerID,
    ifName,
    netns,
    ips,
    timeMs,
  })
    .catch((error) => call.log(`${containerID} may lose its addresses: ${errorMessage(error)}`));
  return answer;
}

/** One allocation, under the lock. */
class Allocation {
  readonly #network: IpamNetwork;
  readonly #call: Call;
  /** Addresses taken out of the store for this pod. */
  readonly #taken: string[] = [];
  constructor(network: IpamNetwork, call: Call) {
    this.#network = network;
    this.#call = call;
  }

  async run(wanted: readonly string[]): Promise<HostLocalAnswer> {
    const { request: { conf, stdin, ranges }, hostLocal } = this.#call;
    const granted = await this.#prepare(wanted);
    const without = ranges.filter((set) => countIn(set, granted) === 0);
    const ask = granted.length > 0 ? withIps(conf, granted) : stdin;
    try {
      let answer = await this.#run(ask, without);
      if (answer.code !== 0 && granted.length > 0 && !saysDuplicate(answer)) {
        // Somebody who does not take our lock was quicker: any address is better than none.
        answer = await this.#run(stdin, ranges);
      }
      if (answer.code !== 0 && !saysDuplicate(answer)) await this.#giveBack(hostLocal);
      return answer;
    } catch (error) {
      await this.#giveBack(hostLocal);
      throw error;
    }
  }

  /** Makes room in the store; the addresses to ask for. What keeps the plugin from it keeps no pod from starting. */
  async #prepare(wanted: readonly string[]): Promise<string[]> {
    const { request: { ranges }, log } = this.#call;
    let granted: string[] = [];
    try {
      granted = await this.#network.store.edit(() => this.#grant(wanted));
      await this.#reclaim(ranges.filter((set) => countIn(set, granted) === 0));
    } catch (error) {
      // Somebody keeps host-local's lock: it would wait as well.
      if (error instanceof CniError) throw error;
      log(`the store of addresses can't be used: ${errorMessage(error)}`);
    }
    return granted;
  }

  /** Takes the addresses out of the store that may be asked for: at most one of each range set. */
  async #grant(wanted: readonly string[]): Promise<string[]> {
    const { store } = this.#network;
    const { request } = this.#call;
    for (const ip of request.askedIps) {
      // What somebody asks for by name outranks what is only kept.
      if ((await store.ownerOf(ip))?.kind === "hold") await store.free(ip);
    }
    const { pod } = request;
    if (pod === undefined || request.askedIps.length > 0) return [];
    const granted: string[] = [];
    let held: string[] | undefined;
    for (const set of request.ranges) {
      let choice = await this.#choose(usableIn(set, wanted));
      if (choice === undefined) {
        held ??= (await store.holds()).filter((hold) => isSamePod(pod, hold.pod))
          .map(({ ip }) => ip).reverse();
        choice = await this.#choose(usableIn(set, held));
      }
      if (choice === "own") return [];
      if (choice !== undefined) granted.push(choice);
    }
    return granted;
  }

  /** The first of the addresses that can be had, taken out of the store. */
  async #choose(ips: readonly string[]): Promise<string | "own" | undefined> {
    const { store } = this.#network;
    const { request } = this.#call;
    const pod = request.pod!;
    const isFormer = async (containerID: string, ifName: string) => {
      const known = await this.#network.findContainer(containerID, ifName, pod);
      return known?.pod !== undefined && isSamePod(pod, known.pod) &&
        await this.#network.isGone(known, request.uid);
    };
    for (const ip of ips) {
      const verdict = await judge(await store.ownerOf(ip), pod, request, isFormer);
      if (verdict === "own") return "own";
      if (verdict === "foreign") continue;
      if (verdict === "take") {
        await store.free(ip);
        this.#taken.push(ip);
      }
      return ip;
    }
    return undefined;
  }

  /** Runs host-local, and again for as long as only holds keep `sets` full. */
  async #run(stdin: string, sets: readonly RangeSet[]): Promise<HostLocalAnswer> {
    for (;;) {
      const answer = await this.#call.hostLocal.run("ADD", stdin);
      if (!saysFull(answer) || !await this.#dropOldest(sets)) return answer;
    }
  }

  /** Frees the oldest hold in each set that is nearly full. */
  async #reclaim(sets: readonly RangeSet[]): Promise<void> {
    const used = await this.#network.store.list();
    const crowded = sets.filter((set) =>
      BigInt(countIn(set, used)) * 100n > capacityOf(set) * RECLAIM_ABOVE_PERCENT
    );
    if (crowded.length > 0) await this.#dropOldest(crowded);
  }

  /** Frees the oldest hold in each of the sets; false when there is none. */
  async #dropOldest(sets: readonly RangeSet[]): Promise<boolean> {
    const { store } = this.#network;
    return await store.edit(async () => {
      const holds = (await store.holds()).map(({ ip }) => ip);
      const oldest = sets.map((set) => usableIn(set, holds)[0]).filter((ip) => ip !== undefined);
      for (const ip of new Set(oldest)) await store.free(ip);
      return oldest.length > 0;
    });
  }

  /** Nothing came of it: what host-local may have kept goes, and the pod's addresses are held again. */
  async #giveBack(hostLocal: Call["hostLocal"]): Promise<void> {
    const { request, log } = this.#call;
    const tell = (error: unknown) => log(`cleaning up after a failed ADD: ${errorMessage(error)}`);
    // What keeps ADD from running keeps DEL from it as well. An address that it did not free is not held then.
    await hostLocal.run("DEL", request.stdin).catch(tell);
    for (const ip of this.#taken) await this.#network.store.hold(ip, request.pod!).catch(tell);
  }
}
