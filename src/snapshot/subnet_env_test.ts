import assert from "node:assert/strict";
import { isOfNode, parseSubnetEnv } from "./subnet_env.ts";

const V4 = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\n";
const V6 = "FLANNEL_IPV6_NETWORK=fd00:10::/48\nFLANNEL_IPV6_SUBNET=fd00:10:1::1/64\n";
const REST = "FLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n";

Deno.test("parseSubnetEnv() reads what flanneld writes for one family and for both", () => {
  assert.deepEqual(parseSubnetEnv(V4 + REST), {
    networks: [{ family: 4, address: "10.244.0.0", prefixLength: 16 }],
    subnets: [{ family: 4, address: "10.244.1.1", prefixLength: 24 }],
  });
  const { networks, subnets } = parseSubnetEnv(V4 + V6 + REST);
  assert.deepEqual([networks.length, subnets.length], [2, 2]);
});

Deno.test("parseSubnetEnv() reads several networks", () => {
  const text = V4.replace("10.244.0.0/16", "10.244.0.0/16,10.245.0.0/16") + REST;
  assert.equal(parseSubnetEnv(text).networks.length, 2);
});

Deno.test.each([
  { name: "an empty file", text: "", want: /lacks FLANNEL_NETWORK, FLANNEL_SUBNET, FLANNEL_MTU/ },
  { name: "a file cut off", text: V4 + "FLANNEL_MTU=14", want: /lacks FLANNEL_IPMASQ/ },
  {
    name: "a subnet that is none",
    text: V4.replace("10.244.1.1/24", "10.244.1.1") + REST,
    want: /FLANNEL_SUBNET must be a network .* \(it is "10\.244\.1\.1"\)/,
  },
])("parseSubnetEnv() refuses $name", ({ text, want }) => {
  assert.throws(() => parseSubnetEnv(text), want);
});

Deno.test.each([
  { podCidrs: [], want: true },
  { podCidrs: ["10.244.1.0/24"], want: true },
  { podCidrs: ["10.244.0.0/20"], want: true },
  { podCidrs: ["10.244.7.0/24"], want: false },
  { podCidrs: ["fd00:10:1::/64"], want: false },
])("isOfNode() says $want of a node with $podCidrs", ({ podCidrs, want }) => {
  assert.equal(isOfNode(parseSubnetEnv(V4 + REST), podCidrs), want);
});

Deno.test("isOfNode() wants every subnet to be the node's", () => {
  const env = parseSubnetEnv(V4 + V6 + REST);
  assert.equal(isOfNode(env, ["10.244.1.0/24"]), false);
  assert.equal(isOfNode(env, ["10.244.1.0/24", "fd00:10:1::/64"]), true);
});
