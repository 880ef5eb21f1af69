import assert from "node:assert/strict";
import * as fc from "fast-check";
import type { Exec } from "../../../src/platform/exec.ts";
import { converge } from "../../../src/snapshot/apply.ts";
import { readKernelState } from "../../../src/snapshot/kernel_state.ts";
import { isFlannelLink, type KernelState } from "../../../src/snapshot/model.ts";
import { plan } from "../../../src/snapshot/plan.ts";
import { FakeKernel, PowerCut } from "../../testing/fake_kernel.ts";
import { arbitraryDesired, flannelLink, vxlanPeer } from "../../testing/flannel_network.ts";
import { hasNetAdmin } from "../net_admin.ts";
import { CARD_MAC, ScratchHost } from "./scratch_host.ts";

const ignore = !(await hasNetAdmin()).ok;
const ADDRESSES = ["192.168.5.1/24", "fd00:5::1/64"];

/** What of a state the model has too, in one order. */
function comparable({ links, neighbours, fdb, routes }: KernelState): unknown {
  const sorted = (list: unknown[]) => list.map((each) => JSON.stringify(each)).sort();
  const ours = ({ link }: { link: string }) => isFlannelLink(link) || link === "eth0";
  return {
    links: sorted(links),
    neighbours: sorted(neighbours.filter(ours)),
    fdb: sorted(fdb.filter(ours)),
    routes: sorted(routes.filter((route) => ours(route) && route.protocol !== "kernel")),
  };
}

Deno.test({
  name: "S30 any network on the real kernel becomes any other, as on the model of it",
  ignore,
  async fn() {
    await fc.assert(
      fc.asyncProperty(arbitraryDesired(), arbitraryDesired(), async (first, then) => {
        await using host = await ScratchHost.create(ADDRESSES);
        const model = new FakeKernel();
        model.addCard("eth0", CARD_MAC, ADDRESSES);
        for (const desired of [first, then]) {
          for (const exec of [host.exec, model]) {
            assert.deepEqual((await converge(exec, desired)).refused, []);
            assert.deepEqual(plan(await readKernelState(exec), desired), []);
          }
          assert.deepEqual(
            comparable(await readKernelState(host.exec)),
            comparable(await readKernelState(model)),
          );
        }
      }),
      { numRuns: 12 },
    );
  },
});

/** Runs programs until `lines` of their batches were done: then the power is gone. */
function cutAfter(exec: Exec, lines: number): Exec {
  let left = lines;
  return {
    lines: exec.lines,
    async run(argv, options = {}) {
      const all = options.stdin?.split("\n").filter((line) => line !== "") ?? [];
      const stdin = all.slice(0, left).map((line) => line + "\n").join("");
      const result = await exec.run(argv, all.length === 0 ? options : { ...options, stdin });
      left -= all.length;
      if (left < 0) throw new PowerCut("cut");
      return result;
    },
  };
}

Deno.test({
  name: "S30 a restore that was cut off anywhere on the real kernel is finished by the next one",
  ignore,
  async fn() {
    await fc.assert(
      fc.asyncProperty(
        arbitraryDesired(),
        arbitraryDesired(),
        fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 3 }),
        async (first, then, cuts) => {
          await using host = await ScratchHost.create(ADDRESSES);
          await converge(host.exec, first);
          for (const cut of cuts) {
            await converge(cutAfter(host.exec, cut), then).catch((error) => {
              if (!(error instanceof PowerCut)) throw error;
            });
          }
          assert.deepEqual((await converge(host.exec, then)).refused, []);
          assert.deepEqual(plan(await readKernelState(host.exec), then), []);
        },
      ),
      { numRuns: 12 },
    );
  },
});

/** Lines that a kernel takes or refuses; each is tried on a network of one device and two peers. */
const LINES = [
  "link add name flannel.1 address 8a:00:00:00:00:01 mtu 1450 txqueuelen 1000 type vxlan id 1 dev eth0 local 192.168.5.1 dstport 8472 nolearning",
  "link add name flannel.2 address 8a:00:00:00:00:01 mtu 1450 txqueuelen 1000 type vxlan id 1 dev eth0 local 192.168.5.1 dstport 8472 nolearning",
  "link add name flannel.2 address 8a:00:00:00:00:01 mtu 1450 txqueuelen 1000 type vxlan id 2 dev nowhere local 192.168.5.1 dstport 8472 nolearning",
  "link add name flannel.2 address 8a:00:00:00:00:01 mtu 1450 txqueuelen 99 type vxlan id 2 dev eth0 local 192.168.5.99 dstport 8472 learning gbp",
  "link set dev flannel.1 address 8a:00:00:00:00:99",
  "link set dev flannel.1 mtu 1300",
  "link set dev flannel.9 up",
  "link delete dev flannel.1",
  "address replace 10.244.1.0/32 dev flannel.1",
  "address delete 10.244.1.0/32 dev flannel.1",
  "address delete 10.244.9.0/32 dev flannel.1",
  "neigh replace 10.244.2.0 lladdr 8a:00:00:00:00:99 nud permanent dev flannel.1",
  "neigh delete 10.244.2.0 dev flannel.1",
  "neigh delete 10.244.9.0 dev flannel.1",
  "route replace 10.244.2.0/24 via 192.168.5.9 dev eth0 proto 201",
  "route replace 10.244.2.0/24 via 192.168.99.9 dev eth0 proto 201",
  "route replace 10.244.9.0/24 via 10.244.9.0 dev flannel.9 onlink proto 201",
  "route delete 10.244.2.0/24 via 10.244.2.0 dev flannel.1 proto 201",
  "route delete 10.244.2.0/24 via 10.244.3.0 dev flannel.1 proto 201",
  "route delete 10.244.2.0/24 via 10.244.2.0 dev flannel.1 proto boot",
  "fdb replace 8a:00:00:00:00:02 dst 192.168.5.9 dev flannel.1 self permanent",
  "fdb delete 8a:00:00:00:00:02 dst 192.168.5.2 dev flannel.1 self",
  "fdb delete 8a:00:00:00:00:02 dst 192.168.5.9 dev flannel.1 self",
  "fdb delete 8a:00:00:00:00:99 dst 192.168.5.9 dev flannel.1 self",
];

Deno.test({
  name: "the model of the kernel takes and refuses what the real one does, with the same words",
  ignore,
  async fn() {
    const desired = { links: [flannelLink()], peers: [vxlanPeer(2), vxlanPeer(3)] };
    for (const line of LINES) {
      await using host = await ScratchHost.create(ADDRESSES);
      const model = new FakeKernel();
      model.addCard("eth0", CARD_MAC, ADDRESSES);
      const outcomes = [];
      for (const exec of [host.exec, model]) {
        await converge(exec, desired);
        const program = line.startsWith("fdb") ? "bridge" : "ip";
        const { code, stderr } = await exec.run([program, "-batch", "-"], { stdin: `${line}\n` });
        const failed = code !== 0;
        outcomes.push({
          line,
          failed,
          stderr: stderr.trim(),
          state: comparable(await readKernelState(exec)),
        });
      }
      assert.deepEqual(outcomes[1], outcomes[0]);
    }
  },
});
