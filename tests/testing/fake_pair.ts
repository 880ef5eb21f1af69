import { FakeApiServer } from "../../src/demo/fake_api_server.ts";
import { FaultLink } from "../../src/demo/fault_link.ts";
import { createCa, issueServingCert } from "../../src/kube/pki.ts";
import { NODE_TOKEN } from "./fake_site.ts";
import { startTestProxy, type TestProxy } from "./test_proxy.ts";

/** Two servers of one fake cluster, each behind a breakable link of its own, with a proxy in front. */
export interface FakePair extends AsyncDisposable {
  readonly clouds: readonly [FakeApiServer, FakeApiServer];
  readonly links: readonly [FaultLink, FaultLink];
  readonly proxy: TestProxy;
  /** URL of the server that the proxy uses now. */
  current(): string;
  /** URLs of the servers as the proxy knows them. */
  readonly urls: readonly [string, string];
}

/** Starts them; the first link has a shorter way, so that it is the one that is used. */
export async function startFakePair(
  options: { section?: Record<string, unknown>; upstream?: Record<string, unknown> } = {},
): Promise<FakePair> {
  await using stack = new AsyncDisposableStack();
  const directory = await Deno.makeTempDir({ prefix: "edge-agent-pair-" });
  stack.defer(() => Deno.remove(directory, { recursive: true }));
  const ca = await createCa("fake cloud");
  const tls = await issueServingCert(ca, ["127.0.0.1"]);
  const tokens = { [NODE_TOKEN]: "system:node:edge-1" };
  const first = stack.use(await FakeApiServer.start({ tls, tokens }));
  const second = stack.use(await FakeApiServer.start({ tls, tokens, store: first.store }));
  const linkTo = async ({ port }: FakeApiServer) =>
    stack.use(await FaultLink.start({ target: { hostname: "127.0.0.1", port } }));
  const links = [await linkTo(first), await linkTo(second)] as const;
  links[1].set({ state: "throttled", bytesPerSecond: Infinity, delayMs: 15 });
  const [caFile, tokenFile] = [`${directory}/ca.crt`, `${directory}/token`];
  await Deno.writeTextFile(caFile, ca.cert);
  await Deno.writeTextFile(tokenFile, NODE_TOKEN);
  const urls = [
    `https://127.0.0.1:${links[0].port}`,
    `https://127.0.0.1:${links[1].port}`,
  ] as const;
  const proxy = stack.use(
    await startTestProxy({
      upstream: { servers: urls, caFile, ...options.upstream },
      identities: [{ name: "node", tokenFile }],
      ...options.section,
    }),
  );
  const held = stack.move();
  return {
    clouds: [first, second],
    links,
    proxy,
    urls,
    current: () => String(proxy.proxy.status?.()["server"]),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}
