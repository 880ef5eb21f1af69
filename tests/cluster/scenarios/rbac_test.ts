import assert from "node:assert/strict";
import { join } from "node:path";
import { QUESTIONS } from "../../../src/proxy/link/cloud_facts.ts";
import type { TestProxy } from "../../testing/test_proxy.ts";
import { until } from "../poll.ts";
import { decode } from "./compare.ts";
import { linkIs, noticeDown } from "./outage.ts";
import { type FetchPath, PATIENCE_MS, shareCloud, type Site } from "./site.ts";

const scenario = await shareCloud();

const MANIFEST = join(import.meta.dirname!, "../../../dist/manifests/rbac.yaml");

const [NAMESPACE, SERVICE] = QUESTIONS.map(({ path }) => path) as [string, string];
const SLICE = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes";

/** What the agent asks that a node may ask anyway. */
const GRANTED = ["/readyz", "/version", "/api", "/apis", "/api/v1", "/openapi/v3", SERVICE];

/** The node, straight to the cloud. */
async function asNode(site: Site): Promise<FetchPath> {
  const { cluster } = site;
  const { cert, key } = cluster.certFiles.node;
  const [ca, ...pair] = await Promise.all(
    [cluster.caFile, cert, key].map((path) => Deno.readTextFile(path)),
  );
  const client = site.use(Deno.createHttpClient({ caCerts: [ca!], cert: pair[0], key: pair[1] }));
  return (path, init) => fetch(cluster.backdoor + path, { ...init, client });
}

async function statusOf(fetchPath: FetchPath, path: string, init?: RequestInit): Promise<number> {
  const response = await fetchPath(path, init);
  await response.body?.cancel();
  return response.status;
}

/** A proxy that speaks as the node and learns servers. */
async function nodeProxy(site: Site): Promise<TestProxy> {
  const { server, caFile, certFiles: { node } } = site.cluster;
  return await site.proxy({
    upstream: { server, caFile, learn: true },
    identities: [{ name: "node", certFile: node.cert, keyFile: node.key }],
  });
}

/** Mirrors while the link is up, and answers when it is not. */
async function assertWorks(site: Site, proxy: TestProxy): Promise<void> {
  const path = "/api/v1/services?resourceVersion=0";
  await linkIs(proxy, "up");
  const { status, warning } = await decode(proxy.fetch, path);
  assert.deepEqual([status, warning], [200, null]);
  await site.cluster.link.refuse();
  await noticeDown(proxy);
  assert.equal((await decode(proxy.fetch, path)).status, 200);
  await site.cluster.link.restore();
}

/** What RBAC lets the node do in the namespace of the API server's own Service. */
async function rulesOf(node: FetchPath): Promise<string[]> {
  const response = await node("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ spec: { namespace: "default" } }),
  });
  const { status } = await response.json();
  assert.equal(response.status, 201);
  return [...status.resourceRules, ...status.nonResourceRules].map((rule) => JSON.stringify(rule));
}

scenario("S14 without the manifest a node is refused two questions, and works", async (site) => {
  const node = await asNode(site);
  for (const path of GRANTED) assert.equal(await statusOf(node, path), 200, path);
  for (const path of [NAMESPACE, SLICE]) assert.equal(await statusOf(node, path), 403, path);
  await assertWorks(site, await nodeProxy(site));
});

scenario("S14 the manifest grants the agent's own questions, and nothing else", async (site) => {
  const node = await asNode(site);
  const before = await rulesOf(node);
  const kubeconfig = site.cluster.kubeconfigs.backdoor;
  await site.cluster.kubectl(["apply", "-f", MANIFEST], { kubeconfig });
  for (const path of [...GRANTED, NAMESPACE, SLICE]) {
    await until(`${path} to be granted`, async () => await statusOf(node, path) === 200, {
      timeoutMs: PATIENCE_MS,
    });
  }
  const added = (await rulesOf(node)).filter((rule) => !before.includes(rule)).sort();
  const wanted = [
    {
      verbs: ["get"],
      apiGroups: ["discovery.k8s.io"],
      resources: ["endpointslices"],
      resourceNames: ["kubernetes"],
    },
    { verbs: ["list"], apiGroups: [""], resources: ["namespaces"], resourceNames: ["kube-system"] },
  ];
  assert.deepEqual(added, wanted.map((rule) => JSON.stringify(rule)));
  for (
    const { path, method = "GET" } of [
      { path: "/api/v1/namespaces" },
      { path: "/api/v1/namespaces?fieldSelector=metadata.name%3Ddefault" },
      { path: "/api/v1/namespaces?watch=true&fieldSelector=metadata.name%3Dkube-system" },
      { path: "/api/v1/namespaces/kube-system" },
      { path: "/api/v1/namespaces/kube-system", method: "DELETE" },
      { path: "/api/v1/namespaces/kube-system/secrets" },
      { path: "/api/v1/secrets" },
      { path: site.path("secrets", "any") },
      { path: "/apis/discovery.k8s.io/v1/endpointslices" },
      { path: "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices" },
      { path: SLICE.replace(/kubernetes$/, "other") },
      { path: SLICE, method: "DELETE" },
      { path: SLICE.replace("/default/", `/${site.namespace}/`) },
    ]
  ) {
    assert.equal(await statusOf(node, path, { method }), 403, `${method} ${path}`);
  }
  const proxy = await nodeProxy(site);
  await until("the servers to be learned", () => {
    const servers = proxy.proxy.status!()["servers"] as { url: string }[];
    return servers.some(({ url }) => url === site.cluster.server);
  }, { timeoutMs: PATIENCE_MS });
  await assertWorks(site, proxy);
});
