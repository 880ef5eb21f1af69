import assert from "node:assert/strict";
import { valuesOf } from "../../../src/platform/http_head.ts";
import { askUpgrade, type UpgradeClient, WEBSOCKET } from "../../testing/upgrade_client.ts";
import { noticeDown } from "./outage.ts";
import { shareCloud, type Site } from "./site.ts";

const scenario = await shareCloud();

/** How kubectl is made to speak the one protocol or the other (KEP-4006). */
const PROTOCOLS = {
  WebSocket: { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: "true", KUBECTL_PORT_FORWARD_WEBSOCKETS: "true" },
  SPDY: { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: "false", KUBECTL_PORT_FORWARD_WEBSOCKETS: "false" },
} as const;

/** A pod on a node whose kubelet nobody listens for. */
async function createPod(site: Site): Promise<void> {
  const node = `lost-${site.namespace}`;
  const post = (path: string, object: unknown) =>
    site.cloud(path, { method: "POST", body: JSON.stringify(object) });
  await post("/api/v1/nodes", { metadata: { name: node } });
  await site.cloud(`/api/v1/nodes/${node}/status`, {
    method: "PATCH",
    headers: { "content-type": "application/merge-patch+json" },
    body: JSON.stringify({
      status: {
        addresses: [{ type: "InternalIP", address: "127.0.0.1" }],
        daemonEndpoints: { kubeletEndpoint: { Port: 1 } },
      },
    }),
  });
  await post(site.path("serviceaccounts"), { metadata: { name: "default" } });
  await post(site.path("pods"), {
    metadata: { name: "web" },
    spec: { nodeName: node, containers: [{ name: "web", image: "none" }] },
  });
  await site.cloud(`${site.path("pods", "web")}/status`, {
    method: "PATCH",
    headers: { "content-type": "application/merge-patch+json" },
    body: JSON.stringify({ status: { phase: "Running" } }),
  });
}

const COMMANDS = ["exec web -- true", "exec nobody -- true", "attach web", "port-forward web :80"];

for (const [protocol, env] of Object.entries(PROTOCOLS)) {
  scenario(
    `S20 kubectl over ${protocol} is refused in the same words through the agent`,
    async (site) => {
      await createPod(site);
      const proxy = await site.proxy();
      const { cluster, namespace } = site;
      for (const command of COMMANDS) {
        const args = [...command.split(" ").toSpliced(1, 0, "-n", namespace)];
        const [agent, real] = await Promise.all(
          [proxy.kubeconfig("admin"), cluster.kubeconfigs.backdoor].map(async (kubeconfig) => {
            const { code, stdout, stderr } = await cluster.kubectl(args, {
              ...{ kubeconfig, env, allowFailure: true },
            });
            return { code, stdout, stderr };
          }),
        );
        assert.deepEqual(agent, real, command);
        assert.notEqual(real!.code, 0, command);
      }
    },
  );

  scenario(`S20 link-down kubectl over ${protocol} prints a clean Status`, async (site) => {
    await createPod(site);
    const proxy = await site.proxy();
    const { cluster, namespace } = site;
    const kubectl = (command: string) =>
      cluster.kubectl(command.split(" ").toSpliced(1, 0, "-n", namespace), {
        ...{ kubeconfig: proxy.kubeconfig("admin"), env, allowFailure: true },
      });
    // exec asks for the pod first, so it must be known.
    for (const command of COMMANDS) await kubectl(command);
    await cluster.link.blackhole();
    await noticeDown(proxy);
    for (const command of COMMANDS.filter((each) => each.includes("web"))) {
      const { code, stderr } = await kubectl(command);
      assert.equal(code, 1, command);
      assert.match(stderr, /ServiceUnavailable|can not be reached/, command);
      assert.match(stderr, /nothing was changed/, command);
    }
  });
}

/** A WATCH over WebSocket, as browsers do it, with a token among its protocols. */
async function watchAs(
  site: Site,
  server: { url: string; ca: string },
  token: string,
): Promise<UpgradeClient> {
  const encoded = btoa(token).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const protocols = `base64url.bearer.authorization.k8s.io.${encoded}, base64.binary.k8s.io`;
  return await askUpgrade(server, {
    method: "GET",
    path: `${site.path("configmaps")}?watch=true`,
    headers: [
      ...WEBSOCKET.filter(([name]) => !name.endsWith("Protocol")),
      ["Sec-WebSocket-Protocol", protocols],
      // Without it the API server answers 403.
      ["Origin", "https://dashboard.example"],
    ],
  });
}

scenario("S20 a token among the protocols of a WebSocket is the caller's", async (site) => {
  await site.create("a");
  const proxy = await site.proxy();
  const path = `${site.path("serviceaccounts")}`;
  await site.cloud(path, { method: "POST", body: JSON.stringify({ metadata: { name: "sa" } }) });
  const { status } = await site.cloud<{ status: { token: string } } & { metadata: never }>(
    `${path}/sa/token`,
    { method: "POST", body: JSON.stringify({ spec: { expirationSeconds: 3600 } }) },
  );
  const direct = { url: site.cluster.backdoor, ca: await Deno.readTextFile(site.cluster.caFile) };

  // A pod's own token goes to the cloud as it came, and the agent's rights do not go with it.
  for (const token of [status.token, "junk"]) {
    using real = await watchAs(site, direct, token);
    using agent = await watchAs(site, proxy, token);
    assert.equal(real.head.status, token === "junk" ? 401 : 403);
    assert.equal(agent.head.status, real.head.status);
    assert.deepEqual(JSON.parse(await agent.body()), JSON.parse(await real.body()));
  }

  // The local token is the identity, and the cloud never sees it.
  using watch = await watchAs(site, proxy, await proxy.token("admin"));
  assert.equal(watch.head.status, 101);
  assert.deepEqual(valuesOf(watch.head.headers, "sec-websocket-protocol"), [
    "base64.binary.k8s.io",
  ]);
  await site.create("b");
  await watch.reads('"type":"ADDED"');
});
