import assert from "node:assert/strict";
import { FakeKernel } from "../../tests/testing/fake_kernel.ts";
import { flannelLink, networkOf, vxlanPeer } from "../../tests/testing/flannel_network.ts";
import { converge } from "./apply.ts";
import { readKernelState } from "./kernel_state.ts";
import { withLive } from "./live_network.ts";
import type { KernelState, Peer, VxlanLink } from "./model.ts";

/** A kernel in which flanneld has set all that. */
async function kernelWith(links: VxlanLink[], peers: Peer[]): Promise<KernelState> {
  const kernel = new FakeKernel();
  kernel.addCard("eth0", "02:00:00:00:00:01", ["192.168.5.1/24"]);
  await converge(kernel, { links, peers });
  for (const route of kernel.routes.values()) route.protocol = "boot";
  return await readKernelState(kernel);
}

Deno.test("withLive() takes what flanneld has set, and no device that it does not use", async () => {
  const network = networkOf({ links: [flannelLink()], peers: [vxlanPeer(2), vxlanPeer(3)] });
  const used = await kernelWith([flannelLink({ port: 4789 })], [vxlanPeer(2, 7)]);
  const { links, peers } = withLive(network, used);
  assert.deepEqual(links.map(({ port }) => port), [4789]);
  assert.deepEqual(peers, [vxlanPeer(2, 7), vxlanPeer(3)]);
  assert.equal(withLive(network, await kernelWith([flannelLink({ port: 4789 })], [])), network);
});

Deno.test("withLive() keeps peers whose device has made room for another one", async () => {
  const network = networkOf({ links: [flannelLink()], peers: [vxlanPeer(2), vxlanPeer(3)] });
  const link = flannelLink({ name: "flannel.5", vni: 5 });
  const over5 = (n: number) => ({ ...vxlanPeer(n), link: "flannel.5" }) as Peer;
  const { links, peers } = withLive(network, await kernelWith([link], [over5(2)]));
  assert.deepEqual(links.map(({ name }) => name), ["flannel.5"]);
  assert.deepEqual(peers, [over5(2), over5(3)]);
});

Deno.test("withLive() takes nothing that is as it was when the network was taken", async () => {
  // Made on a card that was narrow then; of a peer, the cluster has told more since.
  const since = await kernelWith([flannelLink({ mtu: 1400 })], [vxlanPeer(2), vxlanPeer(3)]);
  const network = networkOf({ links: [flannelLink()], peers: [vxlanPeer(2, 7), vxlanPeer(3)] });
  const kernel = await kernelWith(
    [flannelLink({ mtu: 1400 })],
    [vxlanPeer(2), vxlanPeer(3, 7), vxlanPeer(4)],
  );
  const { links, peers } = withLive(network, kernel, since);
  assert.deepEqual(links, [flannelLink()]);
  assert.deepEqual(peers, [vxlanPeer(2, 7), vxlanPeer(3, 7), vxlanPeer(4)]);
  const wider = await kernelWith([flannelLink({ mtu: 1420 })], [vxlanPeer(2)]);
  assert.equal(withLive(network, wider, since).links[0]?.mtu, 1420);
});
