import assert from "node:assert/strict";
import fc from "fast-check";
import { fakeNode } from "../../../tests/testing/ipam_node.ts";

const PODS = ["a", "b", "c", "d", "e"].map((name) => `default/${name}`);
/** Room for every pod twice over: a hold is never in the way, so nobody may lose an address. */
const ROOMY = [[{ subnet: "10.244.1.0/28" }]];
/** Five addresses for five pods, three of which may live twice: holds must go. */
const TIGHT = [[{ subnet: "10.244.1.0/29" }]];

/** A node that has served pods before: its folders are safe on the disk. */
const FOLDERS = {
  "/var/lib/edge-agent/ipam/cbr0/broken.json": "",
  "/var/lib/cni/networks/cbr0/lock": "",
  "/var/lib/cni/results/other": "",
};

type Step =
  | { do: "add" | "del" | "lose" | "late del"; pod: string }
  | { do: "cut"; pod: string; at: number; entries: "kept" | "lost"; bytes: number }
  | { do: "reboot" | "collect" | "gc" };

const pod = fc.constantFrom(...PODS);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom("add", "del", "late del"), pod }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("lose"), pod }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("cut"),
      pod,
      at: fc.nat(40),
      entries: fc.constantFrom("kept", "lost"),
      bytes: fc.nat(30),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom("reboot", "collect", "gc") }) },
) as fc.Arbitrary<Step>;

/** Plays the steps as a kubelet and a runtime would; the node itself throws on an address given twice. */
async function play(ranges: unknown[], steps: readonly Step[], sticky: boolean): Promise<void> {
  const { node, fs } = fakeNode(FOLDERS);
  node.idOf = (n) => `c${String(n).padStart(4, "0")}`;
  node.ranges = ranges;
  node.cniVersion = "1.0.0";
  /** Each pod's last addresses. */
  const former = new Map<string, readonly string[]>();
  /** Containers whose DEL has not been seen, by pod. */
  const gone: { pod: string; id: string }[] = [];
  const liveOf = (pod: string) => [...node.live].find(([, live]) => live.pod === pod)?.[0];
  const reboot = async () => {
    for (const [id, { pod }] of node.live) gone.push({ pod, id });
    await node.reboot();
    await node.collect();
  };
  for (const now of steps) {
    switch (now.do) {
      case "add": {
        if (liveOf(now.pod) !== undefined) break;
        const got = await node.add(now.pod);
        if (got === undefined) {
          assert.equal(sticky, false, `${now.pod} got no address`);
          break;
        }
        if (sticky && former.has(now.pod)) assert.deepEqual(got.ips, former.get(now.pod), now.pod);
        former.set(now.pod, got.ips);
        break;
      }
      case "del": {
        const id = liveOf(now.pod);
        if (id !== undefined) assert.equal((await node.del(now.pod, id)).code, 0);
        break;
      }
      case "late del": {
        const at = gone.findIndex(({ pod }) => pod === now.pod);
        const [late] = at < 0 ? [] : gone.splice(at, 1);
        if (late !== undefined) assert.equal((await node.del(late.pod, late.id)).code, 0);
        break;
      }
      case "lose": {
        // The pod's container dies, and its DEL comes late or never.
        const id = liveOf(now.pod);
        if (id === undefined) break;
        node.live.delete(id);
        await fs.remove(node.netnsOf(id));
        gone.push({ pod: now.pod, id });
        break;
      }
      case "cut": {
        // The power goes at some call of an ADD or a DEL.
        let calls = 0;
        fs.fault = () => calls++ === now.at ? "crash" : undefined;
        const id = liveOf(now.pod);
        await (id === undefined ? node.add(now.pod) : node.del(now.pod, id)).catch(() => {});
        fs.fault = () => undefined;
        // What the runtime keeps of a cut call is up to chance.
        fs.restart(now);
        // Its record is older or younger than what it had last: it may have either, the others have theirs.
        former.delete(now.pod);
        await fs.mkdir(`${node.results}-netns`, 0o755);
        await fs.mkdir("/run/edge-agent", 0o755);
        await reboot();
        break;
      }
      case "reboot":
        await fs.mkdir(`${node.results}-netns`, 0o755);
        await reboot();
        break;
      case "collect":
        // Only while no runtime runs: nothing lives.
        if (node.live.size === 0) await node.collect();
        break;
      case "gc": {
        const valid = [...node.live.keys()].map((containerID) => ({ containerID, ifname: "eth0" }));
        const conf = { cniVersion: "1.1.0", "cni.dev/valid-attachments": valid };
        assert.equal((await node.call("GC", "x/y", "", { conf })).code, 0);
        break;
      }
    }
    await checkStore(node);
  }
}

/** What lives has its addresses in the store, whatever happened. */
async function checkStore(node: ReturnType<typeof fakeNode>["node"]): Promise<void> {
  const store = await node.store();
  for (const [id, { ips }] of node.live) {
    for (const ip of ips) assert.equal(store[ip], `${id}\r\neth0`, `${ip} of ${id}`);
  }
}

Deno.test("a pod that comes back gets its former address whatever happened, and no other", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40, size: "max" }),
      (steps) => play(ROOMY, steps, true),
    ),
    { numRuns: 150 },
  );
});

Deno.test("no address is given to two living containers, however few there are", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40, size: "max" }),
      (steps) => play(TIGHT, steps, false),
    ),
    { numRuns: 150 },
  );
});
