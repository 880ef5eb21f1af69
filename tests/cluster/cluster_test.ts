import assert from "node:assert/strict";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Cluster, hasNetAdmin, startCluster } from "./cluster.ts";
import type { InformerLine } from "./informer.ts";
import { TextLineStream } from "./lines.ts";
import { listOwned } from "./ownership.ts";

const netAdmin = await hasNetAdmin();
if (!netAdmin.ok) {
  await Deno.stderr.write(new TextEncoder().encode(`ignored: ${netAdmin.reason}\n`));
}

// One cluster for the file: a start takes seconds, the first one minutes.
let cluster: Cluster;

Deno.test.beforeAll(async () => {
  if (netAdmin.ok) cluster = await startCluster();
});

Deno.test.afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
});

function test(name: string, body: () => Promise<void>): void {
  Deno.test({
    name,
    ignore: !netAdmin.ok,
    // The shared client's idle connections come and go between the tests.
    sanitizeOps: false,
    sanitizeResources: false,
    fn: body,
  });
}

const CONFIG_MAPS = "/api/v1/namespaces/default/configmaps";
/** Far more than anything here takes: these tests judge what happens, not how fast. */
const PATIENCE_MS = 60_000;

function isEvent(type: "add" | "update" | "delete", key: string): (line: InformerLine) => boolean {
  return (line) => line.type === type && line.key === key;
}

test("startCluster() runs the Kubernetes that go.mod names", async () => {
  const { stdout } = await cluster.kubectl(["version", "-o", "json"]);
  const { clientVersion, serverVersion } = JSON.parse(stdout);
  const goMod = await readFile(join(import.meta.dirname!, "go.mod"), "utf8");
  const [, named, minor] = /^\s*k8s\.io\/kubernetes (v1\.(\d+)\.\d+)/m.exec(goMod)!;
  assert.deepEqual([serverVersion.gitVersion, serverVersion.minor], [named, minor]);
  assert.equal(clientVersion.gitVersion, serverVersion.gitVersion);
});

test("Cluster.kubectl() prints a table and reports failures", async () => {
  const { stdout } = await cluster.kubectl(["get", "namespaces"]);
  assert.match(stdout, /^NAME +STATUS +AGE\n(.*\n)*kube-system +Active/);

  const missing = await cluster.kubectl(["get", "configmap", "nobody"], { allowFailure: true });
  assert.equal(missing.code, 1);
  await assert.rejects(cluster.kubectl(["get", "configmap", "nobody"]), /NotFound/);
});

test("Cluster.kubeconfigs.node is what the Node authorizer allows a node", async () => {
  const kubeconfig = cluster.kubeconfigs.node;
  const own = ["get", "pods", "-A", "--field-selector=spec.nodeName=edge-1"];
  await cluster.kubectl(own, { kubeconfig });
  await assert.rejects(cluster.kubectl(["get", "pods", "-A"], { kubeconfig }), /Forbidden/);
  const { kubeconfig: stranger } = await cluster.addUser("stranger");
  await assert.rejects(cluster.kubectl(own, { kubeconfig: stranger }), /Forbidden/);
});

test("Cluster.informer() lists and sees changes, in protobuf and in JSON", async () => {
  await cluster.kubectl(["create", "configmap", "first"]);
  const flags = { resource: "configmaps", namespace: "default", userAgent: "tester/1" } as const;
  await using protobuf = cluster.informer(flags);
  await using json = cluster.informer({ ...flags, contentType: "application/json" });
  for (const informer of [protobuf, json]) {
    await informer.waitFor((line) => line.type === "synced", PATIENCE_MS);
  }

  await cluster.kubectl(["create", "configmap", "second"]);
  await cluster.kubectl(["label", "configmap", "second", "a=b"]);
  await cluster.kubectl(["delete", "configmap", "first"]);
  for (const informer of [protobuf, json]) {
    await informer.waitFor(isEvent("add", "default/first"), PATIENCE_MS);
    await informer.waitFor(isEvent("add", "default/second"), PATIENCE_MS);
    await informer.waitFor(isEvent("update", "default/second"), PATIENCE_MS);
    await informer.waitFor(isEvent("delete", "default/first"), PATIENCE_MS);
    const { keys } = await informer.store(PATIENCE_MS);
    assert.ok("default/second" in keys && !("default/first" in keys), JSON.stringify(keys));
    const last = (await informer.stop()).at(-1);
    assert.deepEqual(last?.type === "store" ? last.keys : last, keys);
  }
  // The defaults of client-go 1.35: the list comes as a watch, and in protobuf.
  for (const [informer, mediaType] of [[protobuf, /protobuf/], [json, /json/]] as const) {
    const request = informer.lines.find((line) => line.type === "request");
    assert.match(request?.url ?? "", /sendInitialEvents=true/);
    assert.match(request?.contentType ?? "", mediaType);
  }
});

test("Link.blackhole() swallows what is sent, and restore() lets it through again", async () => {
  await cluster.link.blackhole();
  try {
    const args = ["get", "namespaces", "--request-timeout=2s"];
    const { code, stderr } = await cluster.kubectl(args, { allowFailure: true });
    assert.equal(code, 1);
    assert.match(stderr, /time(d )?out|deadline/i);
    // The back door works whatever the link does.
    await cluster.kubectl(args, { kubeconfig: cluster.kubeconfigs.backdoor });
  } finally {
    await cluster.link.restore();
  }
  await cluster.kubectl(["get", "namespaces"]);
});

test("Link.refuse() turns connections away, and the informer catches up later", async () => {
  await cluster.kubectl(["create", "configmap", "doomed"]);
  await using informer = cluster.informer({ resource: "configmaps", namespace: "default" });
  await informer.waitFor(isEvent("add", "default/doomed"), PATIENCE_MS);

  await cluster.link.refuse();
  try {
    const { stderr } = await cluster.kubectl(["get", "namespaces"], { allowFailure: true });
    assert.match(stderr, /refused/);
    await informer.waitFor((line) => line.type === "requestError", PATIENCE_MS);
    const kubeconfig = cluster.kubeconfigs.backdoor;
    await cluster.kubectl(["delete", "configmap", "doomed"], { kubeconfig });
  } finally {
    await cluster.link.restore();
  }
  await informer.waitFor(isEvent("delete", "default/doomed"), PATIENCE_MS);
});

test("Link.kill() resets an idle watch", async () => {
  const { metadata } = await (await cluster.fetch(`${CONFIG_MAPS}?limit=1`)).json();
  const position = `resourceVersion=${metadata.resourceVersion}`;
  const watch = await cluster.fetch(`${CONFIG_MAPS}?watch=1&timeoutSeconds=600&${position}`);
  const cut = assert.rejects(watch.body!.getReader().read());
  assert.ok(await cluster.link.kill() > 0);
  await cut;
  await cluster.kubectl(["get", "namespaces"]);
});

test("Link.throttle() holds the rate, and bytes() counts what was carried", async () => {
  const megabit = 4;
  const before = await cluster.link.bytes();
  await cluster.link.throttle(megabit * 1000);
  const started = performance.now();
  let size: number;
  try {
    const response = await cluster.fetch("/openapi/v3/api/v1", {
      headers: { "accept-encoding": "identity" },
    });
    size = (await response.bytes()).length;
  } finally {
    await cluster.link.restore();
  }
  // Only the lower bound: a busy machine may be slower, but nothing may be faster than the link.
  const shortest = size * 8 / (megabit * 1_000_000) * 1000;
  assert.ok(performance.now() - started > shortest * 0.8, `faster than ${shortest} ms`);
  const after = await cluster.link.bytes();
  assert.ok(after.fromCloud - before.fromCloud > size);
  assert.ok(after.toCloud > before.toCloud);
});

test("Cluster.expire() makes an old resourceVersion and a continue token answer 410", async () => {
  for (const name of ["one", "two"]) await cluster.kubectl(["create", "configmap", name]);
  const page = await (await cluster.fetch(`${CONFIG_MAPS}?limit=1`)).json();
  await cluster.expire();

  const watch = await cluster.fetch(`${CONFIG_MAPS}?watch=1&resourceVersion=1`);
  assert.equal(watch.status, 200);
  const lines = await Array.fromAsync(watch.body!.pipeThrough(new TextLineStream()));
  const [{ type, object }] = lines.map((line) => JSON.parse(line));
  assert.deepEqual([type, object.code, object.reason], ["ERROR", 410, "Expired"]);

  const next = await cluster.fetch(`${CONFIG_MAPS}?limit=1&continue=${page.metadata.continue}`);
  assert.equal(next.status, 410);
  assert.equal((await next.json()).reason, "Expired");
});

test("startCluster() names the component that fails and leaves nothing behind", async () => {
  const extraArguments = { "kube-apiserver": ["--no-such-flag"] };
  const before = await listOwned();
  await assert.rejects(
    startCluster({ extraArguments, controllerManager: false }),
    /Cannot start kube-apiserver: kube-apiserver ended with 1\n(.*\n)*.*unknown flag: --no-such-flag/,
  );
  assert.deepEqual(await listOwned(), before);
});

test("Cluster disposal removes the namespace and the files", async () => {
  const second = await startCluster({ controllerManager: false });
  assert.notEqual(second.server, cluster.server);
  await second.kubectl(["get", "namespaces"]);
  await second[Symbol.asyncDispose]();
  assert.ok(!(await readdir("/run/netns")).includes(second.namespace));
  await assert.rejects(stat(second.folder));
});
