import assert from "node:assert/strict";
import type { TestProxy } from "../../testing/test_proxy.ts";
import { CoreDns } from "../coredns.ts";
import { until } from "../poll.ts";
import { linkIs, OUTAGES } from "./outage.ts";
import { note, PATIENCE_MS, shareCloud, type Site } from "./site.ts";

const scenario = await shareCloud();

const ADDRESSES = ["10.1.2.3", "10.1.2.4"];

/** A Service with an address of its own, and one that is the addresses of its pods. */
async function createServices(site: Site): Promise<{ clusterIP: string }> {
  const post = <T>(path: string, object: unknown) =>
    site.cloud<T>(path, { method: "POST", body: JSON.stringify(object) });
  const ports = [{ name: "http", port: 80 }];
  const { spec } = await post<{ spec: { clusterIP: string } }>(site.path("services"), {
    metadata: { name: "web" },
    spec: { ports },
  });
  await post(site.path("services"), {
    metadata: { name: "db" },
    spec: { clusterIP: "None", ports },
  });
  await post(`/apis/discovery.k8s.io/v1/namespaces/${site.namespace}/endpointslices`, {
    metadata: { name: "db-1", labels: { "kubernetes.io/service-name": "db" } },
    addressType: "IPv4",
    ports,
    endpoints: ADDRESSES.map((address) => ({ addresses: [address], conditions: { ready: true } })),
  });
  return spec;
}

async function startDns(site: Site, proxy: TestProxy): Promise<CoreDns> {
  return await CoreDns.start({
    program: site.cluster.bin("coredns"),
    kubeconfig: proxy.kubeconfig("admin"),
    folder: await site.directory(),
  });
}

for (const [how, cut] of Object.entries(OUTAGES)) {
  scenario(`S13 CoreDNS starts link-down and resolves Services (${how})`, async (site) => {
    const { clusterIP } = await createServices(site);
    const stateDir = await site.directory();
    const name = (service: string) => `${service}.${site.namespace}.svc.cluster.local`;
    const assertResolves = async (dns: CoreDns) => {
      assert.deepEqual(await dns.resolve(name("web")), [clusterIP]);
      assert.deepEqual(await dns.resolve(name("db")), ADDRESSES);
    };
    const first = await site.proxy({}, { stateDir });
    {
      await using dns = await startDns(site, first);
      await assertResolves(dns);
    }
    await first.stop();

    await cut(site);
    const proxy = await site.proxy({}, { stateDir });
    await linkIs(proxy, "down");
    const started = performance.now();
    await using dns = await startDns(site, proxy);
    note(`ready ${Math.round(performance.now() - started)} ms after its start`);
    await assertResolves(dns);
    assert.deepEqual(await dns.resolve(name("nobody")), []);

    await site.cluster.link.restore();
    await site.cloud(site.path("services", "web"), { method: "DELETE" });
    await until("the deleted Service to be gone", async () => {
      return (await dns.resolve(name("web"))).length === 0;
    }, { timeoutMs: PATIENCE_MS });
    await site.cloud(site.path("services"), {
      method: "POST",
      body: JSON.stringify({
        metadata: { name: "late" },
        spec: { clusterIP, ports: [{ port: 80 }] },
      }),
    });
    await until("the new Service to be there", async () => {
      return (await dns.resolve(name("late"))).join() === clusterIP;
    }, { timeoutMs: PATIENCE_MS });
  });
}
