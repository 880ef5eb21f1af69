import assert from "node:assert/strict";
import { ApiClient } from "../../src/kube/api_client.ts";
import { serveHttp } from "../../src/platform/net.ts";
import { FakeFs } from "../testing/fake_fs.ts";

const PATH = "/etc/kubernetes/kubelet.conf";
const OPTIONS = {
  accept: "application/json",
  purpose: "list",
  signal: new AbortController().signal,
} as const;

async function kubeconfigOf(server: string): Promise<FakeFs> {
  const fs = new FakeFs();
  await fs.mkdir("/etc/kubernetes", 0o755);
  const config = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "c",
    "contexts": [{ name: "c", context: { cluster: "c", user: "u" } }],
    "clusters": [{ name: "c", cluster: { server } }],
    "users": [{ name: "u", user: { token: "secret" } }],
  };
  await fs.writeAtomic(PATH, JSON.stringify(config), 0o600);
  return fs;
}

// The runner itself tells of clients that were made and not closed.
Deno.test("ApiClient.send() leaves no client behind, however often the server can't be reached", async () => {
  using client = new ApiClient(await kubeconfigOf("http://127.0.0.1:9"), PATH);
  for (let i = 0; i < 5; i++) {
    await assert.rejects(client.send("/api/v1/nodes", OPTIONS), /Cannot reach http/);
  }
});

Deno.test("ApiClient.send() gives all of an answer that says 401", async () => {
  await using server = serveHttp(
    { hostname: "127.0.0.1", port: 0 },
    () => new Response("x".repeat(1_000_000), { status: 401 }),
  );
  const url = `http://127.0.0.1:${server.port}`;
  using client = new ApiClient(await kubeconfigOf(url), PATH);
  for (let i = 0; i < 3; i++) {
    const response = await client.send("/api/v1/nodes", OPTIONS);
    assert.equal((await response.text()).length, 1_000_000);
  }
});

Deno.test("ApiClient.send() makes one client for all who begin at the same time, and for all who fail", async () => {
  using client = new ApiClient(await kubeconfigOf("http://127.0.0.1:9"), PATH);
  for (let i = 0; i < 3; i++) {
    const all = ["services", "endpoints", "namespaces"].map((kind) =>
      assert.rejects(client.send(`/api/v1/${kind}`, OPTIONS), /Cannot reach http/)
    );
    await Promise.all(all);
  }
});
