import assert from "node:assert/strict";
import { type Cluster, hasNetAdmin, startCluster } from "../cluster.ts";
import { CniError } from "./cni_runtime.ts";
import type { EdgeHost } from "./edge_host.ts";
import { EdgeSite, reachEachOther, type SiteOptions } from "./edge_site.ts";
import { SUBNET_ENV } from "./flannel.ts";

const can = await hasNetAdmin();
if (!can.ok) await Deno.stderr.write(new TextEncoder().encode(`ignored: ${can.reason}\n`));

let cluster: Cluster;
Deno.test.beforeAll(async () => {
  if (can.ok) cluster = await startCluster({ controllerManager: false });
});
Deno.test.afterAll(async () => await cluster?.[Symbol.asyncDispose]());

function test(name: string, body: (site: EdgeSite) => Promise<void>, options?: SiteOptions): void {
  Deno.test({
    name,
    ignore: !can.ok,
    async fn() {
      await using site = await EdgeSite.create(cluster, options);
      await body(site);
    },
  });
}

/** flanneld on all hosts, straight at the API server. */
async function startFlannel({ hosts, flannel: { kubeconfig } }: EdgeSite): Promise<void> {
  const services = hosts.map((host) => host.startFlanneld({ kubeconfig }));
  await Promise.all(hosts.map((host, i) => host.flannelReady(services[i]!, hosts.length - 1)));
}

test("pods of two hosts reach each other by way of flannel", async (site) => {
  const [a, b] = site.hosts as [EdgeHost, EdgeHost];
  await startFlannel(site);
  const [one, two] = await Promise.all([
    a.pods.add("default", "one"),
    b.pods.add("default", "two"),
  ]);
  await reachEachOther(one, two);
  const { vteps } = await a.flannelState();
  assert.equal(vteps["flannel.1"]?.peers.length, 1);
});
