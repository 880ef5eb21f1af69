import assert from "node:assert/strict";
import { getLogger } from "@logtape/logtape";
import { ClusterSource } from "../../src/dns/source/cluster_source.ts";
import type { FactsKind } from "../../src/dns/zone/cluster_state.ts";
import { toServiceFacts } from "../../src/dns/zone/service_facts.ts";
import { createFs } from "../../src/platform/fs.ts";
import { FakeClock } from "../testing/fake_clock.ts";

const SERVICE = {
  metadata: { namespace: "shop", name: "web", resourceVersion: "3" },
  spec: { clusterIPs: ["10.96.0.7"] },
};

/** An API server with a list of Services, and nothing to watch; Namespaces are forbidden. */
function serveApi() {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/api/v1/namespaces") {
      const status = { kind: "Status", apiVersion: "v1", status: "Failure", reason: "Forbidden" };
      return Response.json({ ...status, message: "no", code: 403 }, { status: 403 });
    }
    if (searchParams.has("watch")) return new Response(null, { status: 503 });
    const metadata = { resourceVersion: "5" };
    return Response.json({ kind: "ServiceList", apiVersion: "v1", metadata, items: [SERVICE] });
  });
}

Deno.test("ClusterSource gives facts that are known already as the very same, and says what it may not list", async () => {
  const server = serveApi();
  const path = await Deno.makeTempFile();
  const cluster = { server: `http://127.0.0.1:${server.addr.port}` };
  await Deno.writeTextFile(
    path,
    JSON.stringify({
      "current-context": "c",
      contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
      clusters: [{ name: "c", cluster }],
      users: [{ name: "u", user: { token: "t" } }],
    }),
  );
  const former = toServiceFacts(SERVICE);
  const stop = new AbortController();
  const listed = Promise.withResolvers<ReadonlyMap<string, unknown>>();
  const forbidden = Promise.withResolvers<FactsKind>();
  const source = new ClusterSource(path, {
    fs: createFs(),
    clock: new FakeClock(),
    logger: getLogger(["edge-agent", "test"]),
    random: Math.random,
    podNames: false,
    known: (kind: FactsKind, key: string) =>
      (kind === "service" && key === "shop/web" ? former : undefined) as never,
    replaced: (_, objects) => listed.resolve(objects),
    applied: () => {},
    refused: (kind) => forbidden.resolve(kind),
  });
  const running = source.run(["namespace", "service"], "n1", stop.signal);
  assert.equal((await listed.promise).get("shop/web"), former);
  assert.equal(await forbidden.promise, "namespace");
  stop.abort();
  await running;
  source[Symbol.dispose]();
  await server.shutdown();
});
