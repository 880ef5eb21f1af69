import assert from "node:assert/strict";
import type { Json } from "../testing/api_server_contract/scratch.ts";
import { startFakeSite } from "../testing/fake_site.ts";

// What a client asks link-down for the first time, where the node holds something wider.

Deno.test("an offline list is narrowed from a wider one of the same caller", async (t) => {
  await using site = await startFakeSite();
  const pod = (namespace: string, name: string, app: string, nodeName: string) => {
    site.cloud.create("pods", {
      metadata: { name, namespace, labels: { app } },
      spec: { nodeName },
      status: { phase: "Running" },
    });
  };
  // A namespace whose name begins like another's must not leak into it.
  for (const name of ["shop", "shop-test"]) {
    site.cloud.create("namespaces", { metadata: { name } });
    pod(name, "web-1", "web", "edge-1");
    pod(name, "web-2", "web", "edge-2");
    pod(name, "db-1", "db", "edge-1");
  }
  await (await site.proxy.fetch("/api/v1/pods")).body?.cancel();
  site.link.set({ state: "refused" });
  await (await site.proxy.fetch("/version")).body?.cancel();

  const cases: { path: string; query?: Record<string, string>; want: string[] }[] = [
    { path: "/namespaces/shop/pods", want: ["shop/db-1", "shop/web-1", "shop/web-2"] },
    {
      path: "/namespaces/shop/pods",
      query: { labelSelector: "app in (web)" },
      want: ["shop/web-1", "shop/web-2"],
    },
    {
      path: "/pods",
      query: { fieldSelector: "spec.nodeName=edge-2" },
      want: ["shop-test/web-2", "shop/web-2"],
    },
    {
      path: "/namespaces/shop/pods",
      query: { fieldSelector: "metadata.name=db-1,status.phase!=Failed" },
      want: ["shop/db-1"],
    },
    { path: "/pods", query: { fieldSelector: "spec.nodeName=" }, want: [] },
    {
      path: "/namespaces/shop/pods",
      query: { labelSelector: "app=web", limit: "1" },
      want: ["shop/web-1"],
    },
  ];
  for (const { path, query = {}, want } of cases) {
    await t.step(`${path}?${new URLSearchParams(query)}`, async () => {
      const response = await site.proxy.fetch(`/api/v1${path}?${new URLSearchParams(query)}`);
      assert.equal(response.status, 200);
      const { items, metadata } = await response.json() as Json;
      const seen = items.map((item) => `${item.metadata.namespace}/${item.metadata.name}`);
      assert.deepEqual(seen.sort(), want);
      assert.equal((metadata.continue ?? "") !== "", query.limit !== undefined);
    });
  }
  await t.step("a selector that nobody can read is not guessed at", async () => {
    const response = await site.proxy.fetch("/api/v1/pods?labelSelector=app%20like%20web");
    assert.equal(response.status, 504);
    await response.body?.cancel();
  });
});
