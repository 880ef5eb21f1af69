import assert from "node:assert/strict";
import type { TestProxy } from "../../testing/test_proxy.ts";
import { issueClientCert } from "../../testing/client_certificates.ts";
import { createCa } from "../../../src/kube/pki.ts";
import { writeKubeconfig } from "../kubeconfig.ts";
import { decode, namesOf } from "./compare.ts";
import { linkIs, noticeDown } from "./outage.ts";
import { type FetchPath, shareCloud, type Site } from "./site.ts";

const scenario = await shareCloud({
  async prepare(cluster) {
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ metadata: { name: NODE } });
    await (await cluster.fetch("/api/v1/nodes", { via: "backdoor", method: "POST", headers, body }))
      .json();
  },
});

const NODE = "edge-1";
const NODE_NAME = `system:node:${NODE}`;

/** The pair of a client certificate's files. */
async function pairOf(
  files: { cert: string; key: string },
): Promise<{ cert: string; key: string }> {
  const [cert, key] = [await Deno.readTextFile(files.cert), await Deno.readTextFile(files.key)];
  return { cert, key };
}

/** `fetch` through a proxy with a certificate of one's own and nothing else, unless headers say more. */
function certified(
  site: Site,
  proxy: TestProxy,
  pair: { cert?: string; key?: string },
  more: Record<string, string> = {},
): FetchPath {
  const { cert, key } = pair;
  const certificate = cert === undefined || key === undefined ? {} : { cert, key };
  const client = site.use(Deno.createHttpClient({ caCerts: [proxy.ca], ...certificate }));
  return (path, init) => {
    const headers = new Headers(init?.headers);
    for (const [name, value] of Object.entries(more)) headers.set(name, value);
    return fetch(proxy.url + path, { ...init, headers, client });
  };
}

const bearer = (site: Site, proxy: TestProxy, token: string) =>
  certified(site, proxy, {}, { authorization: `Bearer ${token}` });

/** The node's identity, known by its certificate. */
function nodeSection(site: Site): Record<string, unknown> {
  const { cert, key } = site.cluster.certFiles.node;
  return {
    clientCA: site.cluster.caFile,
    identities: [
      { name: "node", certFile: cert, keyFile: key, commonName: NODE_NAME },
      { name: "other", certFile: cert, keyFile: key },
    ],
  };
}

/** A Secret that a pod of the node uses, so that the Node authorizer lets the node read it. */
async function createSecret(site: Site): Promise<string> {
  await site.cloud(site.path("secrets"), {
    method: "POST",
    body: JSON.stringify({ metadata: { name: "s" }, stringData: { key: "of the pod" } }),
  });
  await createAccount(site, "default");
  await site.cloud(site.path("pods"), {
    method: "POST",
    body: JSON.stringify({
      metadata: { name: "pod" },
      spec: {
        nodeName: NODE,
        automountServiceAccountToken: false,
        containers: [{ name: "c", image: "busybox" }],
        volumes: [{ name: "v", secret: { secretName: "s" } }],
      },
    }),
  });
  return site.path("secrets", "s");
}

async function createAccount(site: Site, name: string): Promise<void> {
  const body = JSON.stringify({ metadata: { name } });
  await site.cloud(site.path("serviceaccounts"), { method: "POST", body });
}

/** A ServiceAccount that may read Secrets, if it may. */
async function createReader(site: Site, name: string, mayRead: boolean): Promise<void> {
  await createAccount(site, name);
  if (!mayRead) return;
  const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${site.namespace}`;
  const post = (path: string, object: unknown) =>
    site.cloud(path, { method: "POST", body: JSON.stringify(object) });
  await post(`${rbac}/roles`, {
    metadata: { name },
    rules: [{ apiGroups: [""], resources: ["secrets"], verbs: ["get", "list", "watch"] }],
  });
  await post(`${rbac}/rolebindings`, {
    metadata: { name },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name },
    subjects: [{ kind: "ServiceAccount", name, namespace: site.namespace }],
  });
}

/** A token of the API server's own making. */
async function tokenOf(
  site: Site,
  name: string,
  spec: Record<string, unknown> = {},
): Promise<string> {
  const { status } = await site.cloud<{ status: { token: string } }>(
    `${site.path("serviceaccounts", name)}/token`,
    { method: "POST", body: JSON.stringify({ spec: { expirationSeconds: 600, ...spec } }) },
  );
  return status.token;
}

scenario(
  "S14 the kubelet's certificate is the node, online and offline, and nobody else is",
  async (site) => {
    const object = await createSecret(site);
    const list = `${site.path("secrets")}?fieldSelector=metadata.name%3Ds`;
    const proxy = await site.proxy(nodeSection(site));
    await linkIs(proxy, "up");
    const pair = await pairOf(site.cluster.certFiles.node);
    const node = certified(site, proxy, pair);
    for (const asked of [object, list, `${list}&resourceVersion=0`, `/api/v1/nodes/${NODE}`]) {
      assert.equal((await decode(node, asked)).status, 200, asked);
    }
    const junk = certified(site, proxy, pair, { authorization: "Bearer junk" });
    for (const asked of [object, list]) {
      assert.equal(
        (await decode(junk, asked)).status,
        401,
        asked,
      );
    }
    const admin = certified(site, proxy, await pairOf(site.cluster.certFiles.admin));
    // Somebody in the cloud, but nobody here: what it may do with its certificate, it may do there.
    assert.equal((await decode(admin, object)).status, 403);

    await site.cluster.link.refuse();
    await noticeDown(proxy);
    for (const asked of [object, list, `${list}&resourceVersion=0`, `/api/v1/nodes/${NODE}`]) {
      const { status, warning, age } = await decode(node, asked);
      assert.equal(status, 200, asked);
      assert.ok(warning !== null || age !== null, asked);
    }
    const clusterCa = await pairOf({
      cert: site.cluster.caFile,
      key: site.cluster.caFile.replace(/crt$/, "key"),
    });
    const expired = await issueClientCert(clusterCa, { notAfter: new Date("2021-01-01") });
    const strangers: Record<string, FetchPath> = {
      "certificate and junk bearer": junk,
      "another user of the cluster": admin,
      "a certificate that the client signed itself": certified(
        site,
        proxy,
        await issueClientCert(await createCa("kubernetes")),
      ),
      "an expired certificate": certified(site, proxy, expired),
      "nothing but the kubelet's User-Agent": certified(site, proxy, {}, {
        "user-agent": "kubelet/v1.35.0 (linux/amd64)",
      }),
      "the name in a header": certified(site, proxy, {}, { "x-remote-user": NODE_NAME }),
      "the node for somebody else": certified(site, proxy, pair, { "impersonate-user": "admin" }),
      "another identity": (path, init) => proxy.fetch(path, { ...init, as: "other" }),
    };
    for (const [name, stranger] of Object.entries(strangers)) {
      for (const asked of [object, list, `${list}&resourceVersion=0`]) {
        assert.equal((await decode(stranger, asked)).status, 504, `${name}: ${asked}`);
      }
    }
  },
);

scenario("S14 kubectl speaks as the node by its certificate, online and offline", async (site) => {
  const proxy = await site.proxy(nodeSection(site));
  const folder = await site.directory();
  await Deno.writeTextFile(`${folder}/ca.crt`, proxy.ca);
  const kubeconfig = await writeKubeconfig({
    path: `${folder}/kubeconfig`,
    server: proxy.url,
    caFile: `${folder}/ca.crt`,
    user: "node",
    certFiles: site.cluster.certFiles.node,
  });
  const get = async () => {
    const { stdout } = await site.cluster.kubectl(["get", "node", NODE, "-o", "name"], {
      kubeconfig,
    });
    return stdout.trim();
  };
  assert.equal(await get(), `node/${NODE}`);
  const who = await site.cluster.kubectl([
    "auth",
    "whoami",
    "-o",
    "jsonpath={.status.userInfo.username}",
  ], { kubeconfig });
  assert.equal(who.stdout, NODE_NAME);
  await site.cluster.link.refuse();
  await noticeDown(proxy);
  assert.equal(await get(), `node/${NODE}`);
});

scenario(
  "S14 a renewed ServiceAccount token reads offline, after a restart, what its predecessor saw",
  async (site) => {
    await site.cloud(site.path("secrets"), {
      method: "POST",
      body: JSON.stringify({ metadata: { name: "s" }, stringData: { key: "x" } }),
    });
    await createReader(site, "reader", true);
    await createReader(site, "stranger", false);
    const stateDir = await site.directory();
    const [object, list] = [site.path("secrets", "s"), site.path("secrets")];
    const reads = [object, list, `${list}?resourceVersion=0`];
    const proxy = await site.proxy({}, { stateDir });
    await linkIs(proxy, "up");
    const first = await tokenOf(site, "reader");
    const stranger = await tokenOf(site, "stranger");
    for (const asked of reads) {
      const { status, body } = await decode(bearer(site, proxy, first), asked);
      assert.equal(status, 200, asked);
      if (asked !== object) assert.deepEqual(namesOf(body), ["s"]);
      assert.equal((await decode(bearer(site, proxy, stranger), asked)).status, 403, asked);
    }
    await proxy.stop();
    const renewed = await tokenOf(site, "reader");
    const elsewhere = await tokenOf(site, "reader", { audiences: ["vault"] });
    assert.notEqual(renewed, first);
    await site.cluster.link.refuse();
    const again = await site.proxy({}, { stateDir });
    await noticeDown(again);
    for (const asked of reads) {
      const { status, body } = await decode(bearer(site, again, renewed), asked);
      assert.equal(status, 200, asked);
      if (asked !== object) assert.deepEqual(namesOf(body), ["s"]);
      for (const token of [stranger, elsewhere, renewed.slice(0, -4) + "AAAA"]) {
        assert.equal((await decode(bearer(site, again, token), asked)).status, 504, asked);
      }
    }
  },
);

scenario("S14 a token whose pod is gone reads nothing while the cloud can say so", async (site) => {
  await createReader(site, "reader", true);
  await createAccount(site, "default");
  const pod = await site.cloud(site.path("pods"), {
    method: "POST",
    body: JSON.stringify({
      metadata: { name: "pod" },
      spec: {
        serviceAccountName: "reader",
        nodeName: NODE,
        containers: [{ name: "c", image: "busybox" }],
      },
    }),
  });
  const ref = { kind: "Pod", apiVersion: "v1", name: "pod", uid: pod.metadata.uid };
  const proxy = await site.proxy();
  await linkIs(proxy, "up");
  const [bound, free] = [
    await tokenOf(site, "reader", { boundObjectRef: ref }),
    await tokenOf(site, "reader"),
  ];
  const list = `${site.path("secrets")}?resourceVersion=0`;
  assert.equal((await decode(bearer(site, proxy, free), list)).status, 200);
  await site.cloud(`${site.path("pods", "pod")}?gracePeriodSeconds=0`, { method: "DELETE" });
  // Signed by the cluster and not expired, it would do as far as the node can tell.
  const refused = await decode(bearer(site, proxy, bound), list);
  assert.equal(refused.status, 401);
  assert.equal((await decode(bearer(site, proxy, free), list)).status, 200);
  await site.cluster.link.refuse();
  await noticeDown(proxy);
  assert.equal((await decode(bearer(site, proxy, bound), list)).status, 504);
  assert.equal((await decode(bearer(site, proxy, free), list)).status, 200);
});
