import assert from "node:assert/strict";
import { createCa } from "../../../src/kube/pki.ts";
import { issueClientCert } from "../../testing/client_certificates.ts";
import type { TestProxy } from "../../testing/test_proxy.ts";
import { until } from "../poll.ts";
import { AuditLog } from "./audit.ts";
import { decode, namesOf } from "./compare.ts";
import { linkIs } from "./outage.ts";
import { note, PATIENCE_MS, shareCloud, type Site } from "./site.ts";
import { describeFrame, WatchClient } from "./watch_client.ts";

const audit = await AuditLog.create();
const scenario = await shareCloud({ extraArguments: { "kube-apiserver": audit.arguments } });
Deno.test.afterAll(() => audit[Symbol.asyncDispose]());

/** The promise, in ms. */
const LIMIT_MS = 10_000;

/** A client certificate of the cluster, good from an hour ago. */
async function issue(
  site: Site,
  commonName: string,
  untilMs = Date.now() + 3_600_000,
): Promise<string> {
  const [cert, key] = await Promise.all(
    ["crt", "key"].map((kind) => Deno.readTextFile(site.cluster.caFile.replace(/crt$/, kind))),
  ) as [string, string];
  const pair = await issueClientCert({ cert, key }, {
    subject: [{ O: ["system:masters"] }, { CN: [commonName] }],
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(untilMs),
  });
  return pair.cert + pair.key;
}

/** Puts a new certificate behind the link of its name, as the kubelet does. */
async function rotate(folder: string, pem: string): Promise<void> {
  const file = `${folder}/kubelet-client-${crypto.randomUUID()}.pem`;
  await Deno.writeTextFile(file, pem, { mode: 0o600 });
  await Deno.symlink(file, `${folder}/updated.pem`);
  await Deno.rename(`${folder}/updated.pem`, `${folder}/kubelet-client-current.pem`);
}

/** A kubeconfig like the kubelet's own, whose certificate is rotated behind its back. */
async function kubeletConf(site: Site, folder: string): Promise<string> {
  const pem = `${folder}/kubelet-client-current.pem`;
  const path = `${folder}/kubelet.conf`;
  await Deno.writeTextFile(
    path,
    JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "c", cluster: { server: site.cluster.server } }],
      users: [{ name: "u", user: { "client-certificate": pem, "client-key": pem } }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
      "current-context": "x",
    }),
  );
  return path;
}

interface IdentityStatus {
  name: string;
  kind: string;
  expiresAt?: string;
  error?: string;
}

function statusOf(proxy: TestProxy, name: string): IdentityStatus {
  const all = proxy.proxy.status().identities as IdentityStatus[];
  return all.find((each) => each.name === name)!;
}

scenario(
  "S16 a rotated client certificate is taken up, and nobody else's streams are touched",
  async (site) => {
    const folder = await site.directory();
    const [former, renewed] = [`former-${site.namespace}`, `renewed-${site.namespace}`];
    await rotate(folder, await issue(site, former));
    const rotating = { name: "rotating", kubeconfig: await kubeletConf(site, folder) };
    const proxy = await site.proxy({ identities: [site.admin, rotating] });
    await site.create("a");
    const path = site.path("configmaps");
    const asRotating = (asked: string, init?: RequestInit) =>
      proxy.fetch(asked, { ...init, as: "rotating" });
    await using mine = await WatchClient.open(asRotating, `${path}?watch=true`);
    await using other = await WatchClient.open(proxy.fetch, `${path}?watch=true`);
    for (const watch of [mine, other]) await watch.sees("ADDED", "a");
    const asked = async (user: string, verb: string) =>
      (await audit.of(path)).filter((entry) => entry.verb === verb && entry.user.username === user);
    await until("both watches", async () =>
      (await asked(former, "watch")).length === 1 &&
      (await asked("kubernetes-admin", "watch")).length === 1, { timeoutMs: PATIENCE_MS });

    const started = Date.now();
    await rotate(folder, await issue(site, renewed));
    const [first] = await until("the watch with the new certificate", async () => {
      const watches = await asked(renewed, "watch");
      return watches.length > 0 && watches;
    }, { timeoutMs: PATIENCE_MS });
    const tookMs = Date.parse(first!.requestReceivedTimestamp) - started;
    note(`the watch went on with the new certificate after ${tookMs} ms`);
    assert.ok(tookMs < LIMIT_MS);
    assert.match(first!.requestURI, /resourceVersion=[1-9]/);

    await site.create("b");
    for (const watch of [mine, other]) {
      await watch.sees("ADDED", "b");
      assert.deepEqual(
        watch.changes.map((frame) => describeFrame(frame).split("@")[0]),
        ["ADDED a", "ADDED b"],
      );
      assert.equal(watch.state, "open");
    }
    assert.equal((await asked(renewed, "list")).length, 0);
    assert.equal((await asked("kubernetes-admin", "watch")).length, 1);
    assert.equal((await decode(asRotating, path)).status, 200);
    assert.equal(
      (await asked(renewed, "list")).length,
      1,
      "what is forwarded goes with the new one",
    );
  },
);

scenario(
  "S16 the authority of the cloud is taken up, and given up, while it runs",
  async (site) => {
    const folder = await site.directory();
    const caFile = `${folder}/ca.crt`;
    await Deno.copyFile(site.cluster.caFile, caFile);
    const proxy = await site.proxy({ upstream: { server: site.cluster.server, caFile } });
    await site.create("a");
    const path = site.path("configmaps");
    await using watch = await WatchClient.open(proxy.fetch, `${path}?watch=true`);
    await watch.sees("ADDED", "a");
    assert.equal((await decode(proxy.fetch, path)).age, null);

    let started = performance.now();
    await Deno.writeTextFile(caFile, (await createCa("another cluster")).cert);
    // Whom it does not trust any more, it does not ask any more.
    await until("the list from the cache", async () => {
      const { status, age, body } = await decode(proxy.fetch, path);
      assert.deepEqual([status, namesOf(body)], [200, ["a"]]);
      return age !== null;
    }, { timeoutMs: PATIENCE_MS });
    await linkIs(proxy, "rejected");
    note(`given up after ${Math.round(performance.now() - started)} ms`);
    assert.ok(performance.now() - started < LIMIT_MS);

    await site.create("b");
    started = performance.now();
    const own = await Deno.readTextFile(site.cluster.caFile);
    await Deno.writeTextFile(caFile, (await createCa("the next one")).cert + own);
    await watch.sees("ADDED", "b");
    note(`taken up after ${Math.round(performance.now() - started)} ms`);
    assert.ok(performance.now() - started < LIMIT_MS);
    assert.equal(watch.changes.length, 2);
    assert.equal(watch.state, "open");
  },
);

scenario(
  "S16 with an expired credential cached reads go on, and the status says so",
  async (site) => {
    const folder = await site.directory();
    const name = `short-${site.namespace}`;
    const endMs = Math.floor(Date.now() / 1_000) * 1_000 + 4_000;
    await rotate(folder, await issue(site, name, endMs));
    const identities = [{ name: "short", certFile: `${folder}/kubelet-client-current.pem` }];
    const proxy = await site.proxy({ identities });
    await site.create("a");
    const path = site.path("configmaps");
    await using watch = await WatchClient.open(proxy.fetch, `${path}?watch=true`);
    await watch.sees("ADDED", "a");
    assert.equal((await decode(proxy.fetch, `${path}/a`)).status, 200);
    assert.deepEqual(statusOf(proxy, "short"), {
      ...{ name: "short", kind: "certificate", expiresAt: new Date(endMs).toISOString() },
      error: undefined,
    });
    const expiry = "edge_agent_proxy_credential_expiry_timestamp_seconds";
    assert.equal(await proxy.metric(expiry, { identity: "short" }), endMs / 1_000);
    await until("the cloud to refuse it", async () => {
      for (const asked of [path, `${path}/a`, `${path}?resourceVersion=0`]) {
        assert.equal((await decode(proxy.fetch, asked)).status, 200, asked);
      }
      return statusOf(proxy, "short").error !== undefined;
    }, { timeoutMs: PATIENCE_MS });
    assert.match(statusOf(proxy, "short").error!, /401/);
    assert.ok((await decode(proxy.fetch, path)).age !== null);
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ metadata: { name: "b" } });
    const write = await proxy.fetch(path, { method: "POST", headers, body });
    await write.body?.cancel();
    assert.equal(write.status, 503, "never 401: a kubelet would exit");

    const started = performance.now();
    await rotate(folder, await issue(site, name));
    await site.create("later");
    await watch.sees("ADDED", "later");
    await until("the cloud's own list", async () => (await decode(proxy.fetch, path)).age === null);
    note(`taken up after ${Math.round(performance.now() - started)} ms`);
    assert.ok(performance.now() - started < LIMIT_MS);
    assert.equal(statusOf(proxy, "short").error, undefined);
  },
);
