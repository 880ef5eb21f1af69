import assert from "node:assert/strict";
import { createCa, issueServingCert } from "../../src/kube/pki.ts";
import { canListenWithNodeTls } from "../../src/platform/https_server.ts";
import { until } from "../cluster/poll.ts";
import { issueClientCert, NODE_NAME } from "../testing/client_certificates.ts";
import { type FakeSite, NODE_TOKEN, startFakeSite } from "../testing/fake_site.ts";

const PATH = "/api/v1/namespaces/default/configmaps";

/** Whether this runtime can ask for certificates. */
const ignore = !canListenWithNodeTls(Deno.version.deno);

interface RotatingSite extends FakeSite {
  /** A folder for files that are replaced. */
  readonly files: string;
}

/** A site with the identities `node` and `other`, whose tokens lie in files of these names. */
async function startSite(
  section: (files: string) => Record<string, unknown> = () => ({}),
): Promise<RotatingSite> {
  const files = await Deno.makeTempDir({ prefix: "edge-agent-rotation-" });
  await Deno.writeTextFile(`${files}/node`, NODE_TOKEN);
  await Deno.writeTextFile(`${files}/other`, "other-in-the-cloud");
  const site = await startFakeSite({
    cloud: { tokens: { "other-in-the-cloud": "other", "node-renewed": "node-renewed" } },
    section: {
      identities: ["node", "other"].map((name) => ({ name, tokenFile: `${files}/${name}` })),
      ...section(files),
    },
  });
  site.cloud.create("configmaps", { metadata: { name: "a", namespace: "default" } });
  return Object.assign(Object.create(site), {
    files,
    async [Symbol.asyncDispose]() {
      await site[Symbol.asyncDispose]();
      await Deno.remove(files, { recursive: true });
    },
  });
}

/** Replaces a file as careful programs do. */
async function replace(path: string, text: string): Promise<void> {
  await Deno.writeTextFile(`${path}.new`, text);
  await Deno.rename(`${path}.new`, path);
}

/** An open watch, and what it has shown so far. */
async function openWatch(site: FakeSite, as: string) {
  const response = await site.proxy.fetch(`${PATH}?watch=true`, { as });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  return {
    async sees(name: string) {
      while (!text.includes(`"name":"${name}"`)) {
        const { value, done } = await reader.read();
        if (done) assert.fail(`the watch ended before ${name}`);
        text += value;
      }
      return text.match(/"type":"[A-Z]+"/g)?.length;
    },
    [Symbol.asyncDispose]: () => reader.cancel(),
  };
}

Deno.test("S16 a renewed credential is taken up by its identity's watches, without a list, and by nobody else's", async () => {
  await using site = await startSite();
  const { audit } = site.cloud;
  await using node = await openWatch(site, "node");
  await using other = await openWatch(site, "other");
  for (const watch of [node, other]) await watch.sees("a");
  const of = (user: string, verb: string) => audit.count({ user, verb, resource: "configmaps" });
  await until("a watch of each", () => of(NODE_NAME, "watch") + of("other", "watch") === 2);
  const started = performance.now();
  await replace(`${site.files}/node`, "node-renewed\n");
  await until("the watch on the new credential", () => of("node-renewed", "watch") === 1, {
    timeoutMs: 20_000,
  });
  assert.ok(performance.now() - started < 10_000);
  site.cloud.create("configmaps", { metadata: { name: "b", namespace: "default" } });
  assert.deepEqual([await node.sees("b"), await other.sees("b")], [2, 2]);
  assert.deepEqual(
    [of("node-renewed", "list"), of(NODE_NAME, "list"), of("other", "list"), of("other", "watch")],
    [0, 1, 1, 1],
  );
  assert.equal(await site.proxy.metric("edge_agent_proxy_rotations_total"), 1);
});

Deno.test("S16 another authority of the cloud is taken up by all watches, without a list", async () => {
  await using site = await startSite();
  const { audit } = site.cloud;
  const { caFile } = site.section.upstream as { caFile: string };
  const ca = await Deno.readTextFile(caFile);
  await using node = await openWatch(site, "node");
  await node.sees("a");
  await replace(caFile, "half of one");
  await replace(caFile, (await createCa("next")).cert + ca);
  const watches = () => audit.count({ verb: "watch", resource: "configmaps" });
  await until("a watch on a new connection", () => watches() === 2, { timeoutMs: 20_000 });
  assert.equal(audit.count({ verb: "list", resource: "configmaps" }), 1);
  site.cloud.create("configmaps", { metadata: { name: "b", namespace: "default" } });
  assert.equal(await node.sees("b"), 2);
});

Deno.test("S16 a new local token is taken up, with its kubeconfig, and the former is worth nothing", async () => {
  await using site = await startSite();
  const { proxy } = site;
  const former = await proxy.token("node");
  const renewed = "a-new-local-token-of-the-node";
  const statusWith = async (token: string) => {
    const headers = { authorization: `Bearer ${token}` };
    const response = await proxy.fetch(PATH, { as: null, headers });
    await response.body?.cancel();
    return response.status;
  };
  assert.deepEqual([await statusWith(former), await statusWith(renewed)], [200, 401]);
  await replace(`${proxy.stateDir}/tokens/node`, `${renewed}\n`);
  await until("the new token to count", async () => await statusWith(renewed) === 200);
  assert.equal(await statusWith(former), 401);
  await until(
    "the kubeconfig",
    async () => (await Deno.readTextFile(proxy.kubeconfig("node"))).includes(renewed),
  );
  assert.equal((await Deno.stat(`${proxy.stateDir}/tokens/node`)).mode! & 0o777, 0o600);
});

Deno.test({
  name:
    "S16 new authorities of clients and a new serving certificate are taken up by new connections",
  ignore,
  async fn() {
    const [former, next] = [await createCa("clients"), await createCa("clients")];
    await using site = await startSite((files) => {
      Deno.writeTextFileSync(`${files}/clients.crt`, former.cert);
      const node = { name: "node", tokenFile: `${files}/node`, commonName: NODE_NAME };
      return { clientCA: `${files}/clients.crt`, identities: [node] };
    });
    const { proxy } = site;
    const statusOf = async (certificate: { cert: string; key: string }, ca = proxy.ca) => {
      using client = Deno.createHttpClient({ caCerts: [ca], ...certificate });
      const response = await fetch(proxy.url + PATH, { client });
      await response.body?.cancel();
      return response.status;
    };
    const [old, renewed] = [await issueClientCert(former), await issueClientCert(next)];
    assert.deepEqual([await statusOf(old), await statusOf(renewed)], [200, 403]);
    await replace(`${site.files}/clients.crt`, next.cert);
    await until("the new authority to count", async () => await statusOf(renewed) === 200);
    assert.equal(await statusOf(old), 403);

    await using watch = await openWatch(site, "node");
    await watch.sees("a");
    const servers = await createCa("servers");
    const serving = await issueServingCert(servers, ["127.0.0.1"]);
    await replace(`${proxy.stateDir}/pki/serving.crt`, serving.cert);
    await replace(`${proxy.stateDir}/pki/serving.key`, serving.key);
    await until("the new certificate", async () => await statusOf(renewed, servers.cert) === 200);
    site.cloud.create("configmaps", { metadata: { name: "b", namespace: "default" } });
    assert.equal(await watch.sees("b"), 2, "open connections go on");
  },
});

Deno.test("S16 a credential that the cloud no longer takes is told by the status, and cached reads go on", async () => {
  await using site = await startSite();
  const read = async () => {
    const response = await site.proxy.fetch(PATH);
    const { items } = await response.json();
    return [response.status, items.length];
  };
  assert.deepEqual(await read(), [200, 1]);
  const identities = () =>
    site.proxy.proxy.status().identities as { name: string; error?: string }[];
  const healthy = { kind: "token", expiresAt: undefined, error: undefined };
  assert.deepEqual(identities(), ["node", "other"].map((name) => ({ name, ...healthy })));
  site.revoke(NODE_TOKEN);
  assert.deepEqual(await read(), [200, 1]);
  assert.match(identities()[0]?.error ?? "", /401/);
  assert.equal(identities()[1]?.error, undefined);
});

Deno.test("S16 a credential that comes after the start is taken up by everything within seconds", async () => {
  const files = await Deno.makeTempDir({ prefix: "edge-agent-first-boot-" });
  await using site = await startFakeSite({
    section: {
      identities: [{ name: "node", tokenFile: `${files}/node` }],
      prefetch: "discovery",
    },
  });
  const { audit } = site.cloud;
  site.cloud.create("configmaps", { metadata: { name: "a", namespace: "default" } });
  const asked = (part: string) => audit.entries.some(({ url }) => url.startsWith(part));
  await until(
    "the link to be up",
    () =>
      site.proxy.metric("edge_agent_proxy_link_state_info", { state: "up" }).then((n) => n === 1),
  );
  for (const query of ["resourceVersion=0", "", "watch=true", "watch=true&resourceVersion=5"]) {
    const response = await site.proxy.fetch(`${PATH}?${query}`);
    assert.equal(response.status, 504, "neither a hang nor a stranger's 401");
    await response.body?.cancel();
  }
  assert.deepEqual([asked("/api"), asked("/version")], [false, false]);
  const started = performance.now();
  await replace(`${files}/node`, NODE_TOKEN);
  await until("the API to be there", async () => {
    const response = await site.proxy.fetch(`${PATH}?resourceVersion=0`);
    return response.status === 200 && (await response.json()).items.length === 1;
  });
  await using watch = await openWatch(site, "node");
  await watch.sees("a");
  for (const part of ["/apis", "/api/v1/namespaces?"]) {
    await until(`${part} to be asked for`, () => asked(part), { timeoutMs: 20_000 });
  }
  assert.ok(performance.now() - started < 10_000);
  await Deno.remove(files, { recursive: true });
});

Deno.test("S16 who the cloud is, is not asked again and again when it refuses a credential", async () => {
  await using site = await startFakeSite();
  const { audit } = site.cloud;
  site.cloud.create("configmaps", { metadata: { name: "a", namespace: "default" } });
  await using node = await openWatch(site, "node");
  await node.sees("a");
  site.revoke(NODE_TOKEN);
  site.link.set({ state: "refused" });
  await until(
    "the link to be down",
    () =>
      site.proxy.metric("edge_agent_proxy_link_state_info", { state: "down" }).then((n) => n === 1),
  );
  audit.clear();
  site.link.set({ state: "up" });
  const refused = (resource: string) => audit.count({ resource, code: 401 });
  await until("the reflector to be refused again and again", () => refused("configmaps") > 2, {
    timeoutMs: 20_000,
  });
  assert.equal(refused("namespaces"), 1);
});
