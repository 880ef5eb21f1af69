import { apiServerContract } from "../testing/api_server_contract.ts";
import { startTestProxy, type TestProxy } from "../testing/test_proxy.ts";
import { type Cluster, hasNetAdmin, startCluster } from "./cluster.ts";
import { customPath, GROUP, installWidgets } from "./scenarios/widgets.ts";

// The suite that holds the fake cloud to the real one, and the proxy to both.

const netAdmin = await hasNetAdmin();
let cluster: Cluster;
let proxy: TestProxy;

const customResource = { apiVersion: `${GROUP}/v1`, kind: "Widget", resource: "widgets" };

if (!netAdmin.ok) {
  await Deno.stderr.write(new TextEncoder().encode(`ignored: ${netAdmin.reason}\n`));
} else {
  Deno.test.beforeAll(async () => {
    cluster = await startCluster({ controllerManager: false });
    await installWidgets(cluster);
    const { server, caFile, certFiles: { admin } } = cluster;
    proxy = await startTestProxy({
      upstream: { server, caFile },
      identities: [{ name: "admin", certFile: admin.cert, keyFile: admin.key }],
    });
    // The proxy meets the custom resource before the suite does.
    await (await proxy.fetch(customPath("default", "widgets"))).body?.cancel();
  });
  Deno.test.afterAll(async () => {
    await proxy?.[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
  });
  apiServerContract("kube-apiserver", () =>
    Promise.resolve({
      fetch: (path, init) => cluster.fetch(path, init),
      customResource,
      compact: () => cluster.expire(),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }), { sanitize: false });
  apiServerContract("the proxy in front of kube-apiserver", () =>
    Promise.resolve({
      fetch: (path, init) => proxy.fetch(path, init),
      customResource,
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }), { sanitize: false });
}
