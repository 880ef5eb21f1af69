import assert from "node:assert/strict";
import { FakeApiServer } from "../../src/demo/fake_api_server.ts";
import { serveHttp } from "../../src/platform/net.ts";
import { until } from "../cluster/poll.ts";
import { NODE_TOKEN } from "../testing/fake_site.ts";
import { startTestProxy } from "../testing/test_proxy.ts";

const PATH = "/api/v1/namespaces/default/configmaps";
const PAGE = "<html><form>Room number?</form></html>";

const PORTALS: Record<string, () => Response> = {
  "a page": () => new Response(PAGE, { headers: { "content-type": "text/html" } }),
  "a redirect": () => new Response(null, { status: 302, headers: { location: "http://wifi/" } }),
  "511": () => new Response(PAGE, { status: 511, headers: { "content-type": "text/html" } }),
};

for (const [what, answer] of Object.entries(PORTALS)) {
  Deno.test(`S11 a captive portal that answers ${what} is not believed, and nothing of it kept`, async () => {
    const directory = await Deno.makeTempDir({ prefix: "edge-agent-portal-" });
    await using stack = new AsyncDisposableStack();
    stack.defer(() => Deno.remove(directory, { recursive: true }));
    const tokenFile = `${directory}/token`;
    await Deno.writeTextFile(tokenFile, NODE_TOKEN);
    const cloud = await FakeApiServer.start({ tokens: { [NODE_TOKEN]: "system:node:edge-1" } });
    const { port } = cloud;
    const proxy = stack.use(
      await startTestProxy({
        upstream: { server: `http://127.0.0.1:${port}` },
        identities: [{ name: "node", tokenFile }],
      }),
    );
    cloud.create("configmaps", { metadata: { name: "a", namespace: "default" }, data: {} });
    const before = await (await proxy.fetch(PATH)).json();
    const one = await (await proxy.fetch(`${PATH}/a`)).json();
    await cloud[Symbol.asyncDispose]();
    stack.use(serveHttp({ hostname: "127.0.0.1", port }, answer));
    for (const [path, kept] of [[PATH, before], [`${PATH}/a`, one]] as const) {
      const response = await proxy.fetch(path);
      assert.equal(response.status, 200);
      assert.deepEqual(await response.json(), kept);
    }
    const unknown = await proxy.fetch(`${PATH}/b`);
    assert.equal(unknown.status, 504);
    await unknown.body?.cancel();
    await until(
      "the link to be down",
      async () => {
        await (await proxy.fetch(`${PATH}/a`)).body?.cancel();
        return await proxy.metric("edge_agent_proxy_link_state_info", { state: "down" }) === 1;
      },
      { timeoutMs: 30_000 },
    );
  });
}
