import assert from "node:assert/strict";
import { createHttpClient } from "../../src/platform/net.ts";
import { until } from "../cluster/poll.ts";
import { WatchReader } from "../testing/api_server_contract/watch_reader.ts";
import { type FakeSite, startFakeSite } from "../testing/fake_site.ts";

const WATCHES = 150;
const LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
const MAPS = "/api/v1/namespaces/default/configmaps";
const LOG = "/api/v1/namespaces/default/pods/p/log";

/** What sockets and windows swallow is some 10 MiB; an unread answer must be larger to be felt. */
const BIG = { objects: 80, bytes: 256 * 1024 };

/** A request whose answer nobody reads, on a connection of its own; ended by disposing. */
async function unread(site: FakeSite, path: string): Promise<AsyncDisposable> {
  const client = createHttpClient({ caCerts: [site.proxy.ca], protocol: "http/1.1" });
  const stop = new AbortController();
  const headers = { authorization: `Bearer ${await site.proxy.token("node")}` };
  const response = await client.fetch(site.proxy.url + path, { headers, signal: stop.signal });
  assert.equal(response.status, 200);
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await response.body?.cancel().catch(() => {});
      client[Symbol.dispose]();
    },
  };
}

Deno.test(
  "S20 150 watches, lease renewals, unread logs and paused lists don't queue behind each other",
  async () => {
    const noise = new Uint8Array(64 * 1024).fill(0x41);
    await using site = await startFakeSite({
      cloud: {
        routes: (app) =>
          app.get(LOG, () => {
            const endless = new ReadableStream<Uint8Array>({
              pull: (controller) => controller.enqueue(noise),
            });
            return new Response(endless);
          }),
      },
    });
    const { proxy, cloud } = site;
    await using stack = new AsyncDisposableStack();
    for (let i = 0; i < WATCHES; i++) {
      cloud.create("secrets", { metadata: { name: `s${i}`, namespace: "default" }, data: {} });
    }
    for (let i = 0; i < BIG.objects; i++) {
      const metadata = { name: `big${i}`, namespace: "default" };
      cloud.create("configmaps", { metadata, data: { text: randomText(BIG.bytes) } });
    }
    const watches: WatchReader[] = [];
    for (let i = 0; i < WATCHES; i++) {
      const query = `watch=true&fieldSelector=metadata.name%3Ds${i}`;
      const path = `/api/v1/namespaces/default/secrets?${query}`;
      watches.push(stack.use(new WatchReader(await proxy.fetch(path))));
    }
    for (const watch of watches) assert.equal((await watch.next())?.type, "ADDED");
    await until("all watches to be open in the cloud", () => cloud.openWatches === WATCHES);
    for (let i = 0; i < 3; i++) stack.use(await unread(site, `${LOG}?follow=true`));
    for (let i = 0; i < 4; i++) stack.use(await unread(site, MAPS));
    for (let i = 0; i < 4; i++) stack.use(await unread(site, `${MAPS}/big${i}`));
    // Not a millisecond of this may depend on what nobody reads: a queue would hold it for ever.
    await put(site, "POST", LEASE);
    for (let i = 0; i < 20; i++) await put(site, "PUT", `${LEASE}/node`);
    for (let i = 0; i < WATCHES; i++) {
      cloud.update("secrets", { name: `s${i}` }, (object) => ({ ...object, data: { k: "v" } }));
    }
    for (const watch of watches) assert.equal((await watch.next())?.type, "MODIFIED");
    const list = await (await proxy.fetch(`${MAPS}?limit=3`)).json();
    assert.equal(list.items.length, 3);
    assert.equal(await proxy.metric("edge_agent_proxy_connections_lost_total"), 0);
    const { openConnections } = site.link;
    // 2 for watches, 1 for the lists of reflectors, 1 for short requests, 5 for lists of clients, 3 logs, 1 probe.
    assert.ok(openConnections <= 14, `${openConnections} connections`);
    await stack.disposeAsync();
    await until(
      "the connections of what has ended to be closed",
      () => site.link.openConnections <= 8,
    );
  },
);

/** That gzip makes little of. */
function randomText(length: number): string {
  const bytes = new Uint8Array(length / 2);
  for (let at = 0; at < bytes.length; at += 65_536) {
    crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  }
  return bytes.toHex();
}

async function put(site: FakeSite, method: string, path: string): Promise<void> {
  const metadata = { name: "node", namespace: "kube-node-lease" };
  const response = await site.proxy.fetch(path, {
    method,
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ metadata, spec: { renewTime: new Date().toISOString() } }),
    signal: AbortSignal.timeout(5_000),
  });
  assert.ok(response.ok, `${response.status}`);
  await response.body?.cancel();
}
