import assert from "node:assert/strict";
import {
  directPeer,
  flannelLink,
  flannelLink6,
  macOf,
  networkOf,
  vxlanPeer,
  vxlanPeer6,
} from "../../tests/testing/flannel_network.ts";
import { applyNotice, noticeOf, type PeerNotice } from "./peer_notice.ts";

const NOTICE: PeerNotice = {
  node: "edge-2",
  podCidrs: ["10.244.2.0/24", "fd00:10:2::/64"],
  vteps: [
    { mac: macOf(2, 7), endpoint: "192.168.5.99" },
    { mac: macOf(2, 67), endpoint: "fd00:5::99" },
  ],
};

Deno.test("applyNotice() moves a node's peers of both families, and no others", () => {
  const network = networkOf({ peers: [vxlanPeer(2), vxlanPeer(3), vxlanPeer6(2)] });
  assert.deepEqual(applyNotice(network, NOTICE).peers, [
    { ...vxlanPeer(2), mac: macOf(2, 7), endpoint: "192.168.5.99" },
    vxlanPeer(3),
    { ...vxlanPeer6(2), mac: macOf(2, 67), endpoint: "fd00:5::99" },
  ]);
});

Deno.test("applyNotice() moves a peer without vxlan to its new next hop", () => {
  const network = networkOf({ peers: [directPeer(2)] });
  assert.deepEqual(applyNotice(network, NOTICE).peers, [
    { ...directPeer(2), gateway: "192.168.5.99" },
  ]);
});

Deno.test("applyNotice() lets no node speak for another one's pods", () => {
  const network = networkOf({ peers: [{ ...vxlanPeer(2), node: "edge-9" }] });
  assert.deepEqual(applyNotice(network, NOTICE), network);
});

Deno.test("applyNotice() adds nobody", () => {
  assert.deepEqual(applyNotice(networkOf({}), NOTICE).peers, []);
});

Deno.test("applyNotice() moves peers to where noticeOf() says that a node is", () => {
  const other = networkOf({
    links: [
      flannelLink({ mac: macOf(2, 7), local: "192.168.5.99" }),
      flannelLink6({
        mac: macOf(2, 67),
        local: "fd00:5::99",
      }),
    ],
    podCidrs: NOTICE.podCidrs,
  });
  assert.deepEqual(noticeOf(other, "edge-2"), NOTICE);
});
