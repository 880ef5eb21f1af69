import assert from "node:assert/strict";
import * as fc from "fast-check";
import { FakeKernel, PowerCut } from "../../tests/testing/fake_kernel.ts";
import {
  arbitraryDesired,
  directPeer,
  flannelLink,
  flannelLink6,
  vxlanPeer,
  vxlanPeer6,
} from "../../tests/testing/flannel_network.ts";
import { converge, parseRefusals } from "./apply.ts";
import { readKernelState } from "./kernel_state.ts";
import type { KernelState } from "./model.ts";
import { type DesiredState, plan } from "./plan.ts";

function freshKernel(): FakeKernel {
  const kernel = new FakeKernel();
  kernel.addCard("eth0", "02:00:00:00:00:01", ["192.168.5.1/24", "fd00:5::1/64"]);
  return kernel;
}

/** Everything of flannel and of the tables, in an order of its own. */
function essence({ links, neighbours, fdb, routes }: KernelState): unknown {
  const sorted = (list: unknown[]) => list.map((each) => JSON.stringify(each)).sort();
  return [links, neighbours, fdb, routes].map(sorted);
}

Deno.test("converge() turns any network into any other, and what is there needs nothing", async () => {
  await fc.assert(fc.asyncProperty(arbitraryDesired(), arbitraryDesired(), async (first, then) => {
    const kernel = freshKernel();
    for (const desired of [first, then]) {
      assert.deepEqual((await converge(kernel, desired)).refused, []);
      assert.deepEqual(plan(await readKernelState(kernel), desired), []);
    }
    const straight = freshKernel();
    await converge(straight, then);
    // A second device that is not wanted any more is flannel's own affair.
    if (first.links.length > then.links.length) return;
    assert.deepEqual(
      essence(await readKernelState(kernel)),
      essence(await readKernelState(straight)),
    );
  }));
});

Deno.test("S30 converge() cut off at any operation, run again, leads to the same network", async () => {
  await fc.assert(
    fc.asyncProperty(
      arbitraryDesired(),
      arbitraryDesired(),
      fc.array(fc.nat({ max: 30 }), { maxLength: 4 }),
      async (first, then, cuts) => {
        const kernel = freshKernel();
        await converge(kernel, first);
        for (const cut of cuts) {
          const start = kernel.log.length;
          kernel.fault = (index) => index - start === cut ? "crash" : undefined;
          await converge(kernel, then).catch((error) => {
            if (!(error instanceof PowerCut)) throw error;
          });
        }
        kernel.fault = undefined;
        assert.deepEqual((await converge(kernel, then)).refused, []);
        assert.deepEqual(plan(await readKernelState(kernel), then), []);
      },
    ),
  );
});

Deno.test("converge() leaves a device as it was when it can't be made as wanted, and no other one", async () => {
  await fc.assert(
    fc.asyncProperty(
      arbitraryDesired(),
      arbitraryDesired(),
      fc.nat({ max: 6 }),
      async (first, then, at) => {
        const kernel = freshKernel();
        await converge(kernel, first);
        const before = await readKernelState(kernel);
        const isStructural = (line: string) => /^(link|address) /.test(line);
        let seen = 0;
        let failed: string | undefined;
        kernel.fault = (_, line) => {
          if (failed !== undefined || !isStructural(line) || seen++ !== at) return undefined;
          failed = /flannel[\w.-]+/.exec(line)![0];
          return "refuse";
        };
        const outcome = await converge(kernel, then).then(
          ({ refused }) => refused.map(({ why }) => why).join(),
          (error) => error.message,
        );
        if (failed === undefined) return;
        assert.match(outcome, /Operation not permitted$/);
        const only = (state: KernelState, isWanted: (link: string) => boolean) => ({
          ...state,
          links: state.links.filter(({ name }) => isWanted(name)),
          neighbours: state.neighbours.filter(({ link }) => isWanted(link)),
          fdb: state.fdb.filter(({ link }) => isWanted(link)),
          routes: state.routes.filter(({ link }) => isWanted(link))
            // What had to be put back is marked as put there by the agent.
            .map((route) => ({ ...route, protocol: "" })),
        });
        const now = await readKernelState(kernel);
        const isFailed = (link: string) => link === failed;
        const others: DesiredState = then.links.length === 1 ? { links: [], peers: [] } : {
          links: then.links.filter(({ name }) => !isFailed(name)),
          peers: then.peers.filter(({ link }) => !isFailed(link)),
        };
        // The way to a peer may lead past the device by now.
        const moved = new Set(others.peers.map(({ subnet }) => subnet));
        const routes = before.routes.filter(({ subnet }) => !moved.has(subnet));
        assert.deepEqual(
          essence(only(now, isFailed)),
          essence(only({ ...before, routes }, isFailed)),
        );
        if (others.links.length === 0) return;
        assert.deepEqual(plan(only(now, (link) => !isFailed(link)), others), []);
      },
    ),
  );
});

Deno.test("converge() makes the devices of one family when those of the other can't be made", async () => {
  const kernel = freshKernel();
  // IPv6 is switched off.
  kernel.fault = (_, line) => /^address replace \S*:/.test(line) ? "refuse" : undefined;
  const desired = {
    links: [flannelLink(), flannelLink6()],
    peers: [vxlanPeer(2), vxlanPeer6(2)],
  };
  const { refused } = await converge(kernel, desired);
  assert.deepEqual(refused.map(({ operation, why }) => [operation.do, why]), [
    ["address-replace", "Operation not permitted"],
  ]);
  assert.deepEqual([...kernel.links.keys()], ["eth0", "flannel.1"]);
  assert.deepEqual([...kernel.routes.keys()], ["10.244.2.0/24"]);
});

Deno.test("converge() sets what it can when some entries are refused, and tells which", async () => {
  const kernel = freshKernel();
  const far = { ...directPeer(4), gateway: "192.168.99.1" };
  const desired: DesiredState = {
    links: [flannelLink()],
    peers: [vxlanPeer(2), far, vxlanPeer(3)],
  };
  const { refused } = await converge(kernel, desired);
  assert.deepEqual(refused.map(({ operation, why }) => [operation.do, why]), [
    ["route-replace", "Nexthop has invalid gateway."],
  ]);
  assert.deepEqual([...kernel.routes.keys()].sort(), ["10.244.2.0/24", "10.244.3.0/24"]);
});

Deno.test("converge() touches nothing that others set", async () => {
  const kernel = freshKernel();
  await converge(kernel, { links: [flannelLink()], peers: [] });
  for (
    const line of [
      "route replace 10.244.7.0/24 via 10.244.7.0 dev flannel.1 onlink",
      "neigh replace 10.244.7.0 lladdr 8a:00:00:00:00:77 nud permanent dev flannel.1",
      "route replace 10.9.0.0/16 via 192.168.5.254 dev eth0",
    ]
  ) kernel.change("ip", line.split(" "));
  await converge(kernel, { links: [flannelLink()], peers: [vxlanPeer(2)] });
  await converge(kernel, { links: [flannelLink()], peers: [] });
  assert.deepEqual([...kernel.routes.keys()].sort(), ["10.244.7.0/24", "10.9.0.0/16"]);
  assert.deepEqual([...kernel.neighbours.keys()], ["flannel.1 10.244.7.0"]);
  assert.equal(kernel.fdb.size, 0);
});

Deno.test("converge() takes few calls however many peers there are", async () => {
  const kernel = freshKernel();
  const peers = Array.from({ length: 2_000 }, (_, i) => vxlanPeer(i + 2));
  await converge(kernel, { links: [flannelLink()], peers });
  assert.equal(kernel.routes.size, 2_000);
  assert.equal(kernel.calls, 7 + 4 + 7);
});

Deno.test("parseRefusals() gives each failed line its reason", () => {
  const operations = [
    { do: "link-up", link: "a" },
    { do: "link-up", link: "b" },
    { do: "link-up", link: "c" },
  ] as const;
  const text = `Cannot find device "a"\nCommand failed -:1\nError: Invalid gateway.\nx\n` +
    `Command failed -:3\n`;
  assert.deepEqual(parseRefusals(text, operations), [
    { operation: operations[0], why: 'Cannot find device "a"' },
    { operation: operations[2], why: "Invalid gateway.; x" },
  ]);
});
