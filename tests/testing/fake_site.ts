import { FakeApiServer, type FakeApiServerOptions } from "../../src/demo/fake_api_server.ts";
import { FaultLink } from "../../src/demo/fault_link.ts";
import type { Clock } from "../../src/kernel/clock.ts";
import { createCa, issueServingCert } from "../../src/kube/pki.ts";
import { startTestProxy, type TestProxy } from "./test_proxy.ts";

/** A fake cloud behind a breakable link, with a proxy in front: all in this process. */
export interface FakeSite extends AsyncDisposable {
  readonly cloud: FakeApiServer;
  readonly link: FaultLink;
  /** The proxy that runs now. */
  readonly proxy: TestProxy;
  /** The `proxy` section of its config. */
  readonly section: Record<string, unknown>;
  /** The cloud knows a token from now on. */
  admit(token: string, user: string): void;
  /** The cloud no longer knows a token. */
  revoke(token: string): void;
  /** Stops the proxy and starts it again on the same state. */
  restart(between?: () => void | Promise<void>): Promise<TestProxy>;
}

/** Bearer token of the identity `node` in the cloud. */
export const NODE_TOKEN = "node-in-the-cloud";

/** Starts one; the proxy has one identity, `node`. */
export async function startFakeSite(
  options: {
    cloud?: FakeApiServerOptions;
    section?: Record<string, unknown>;
    /** The proxy's. */
    clock?: Clock;
    /** By default one of its own. */
    stateDir?: string;
  } = {},
): Promise<FakeSite> {
  await using stack = new AsyncDisposableStack();
  const stateDir = await Deno.makeTempDir({ prefix: "edge-agent-site-" });
  stack.defer(() => Deno.remove(stateDir, { recursive: true }));
  const ca = await createCa("fake cloud");
  const tls = await issueServingCert(ca, ["127.0.0.1"]);
  const tokens: Record<string, string> = {
    [NODE_TOKEN]: "system:node:edge-1",
    ...options.cloud?.tokens,
  };
  const cloud = stack.use(await FakeApiServer.start({ ...options.cloud, tls, tokens }));
  const link = stack.use(
    await FaultLink.start({ target: { hostname: "127.0.0.1", port: cloud.port } }),
  );
  const caFile = `${stateDir}/cloud-ca.crt`;
  const tokenFile = `${stateDir}/cloud-token`;
  await Deno.writeTextFile(caFile, ca.cert);
  await Deno.writeTextFile(tokenFile, NODE_TOKEN);
  const section = {
    upstream: { server: `https://127.0.0.1:${link.port}`, caFile },
    identities: [{ name: "node", tokenFile }],
    ...options.section,
  };
  const own = { stateDir: options.stateDir ?? `${stateDir}/state`, clock: options.clock };
  let proxy = await startTestProxy(section, own);
  stack.defer(() => proxy.stop());
  const held = stack.move();
  return {
    cloud,
    link,
    section,
    admit(token, user) {
      tokens[token] = user;
    },
    revoke(token) {
      delete tokens[token];
    },
    get proxy() {
      return proxy;
    },
    async restart(between = () => {}) {
      await proxy.stop();
      await between();
      return proxy = await startTestProxy(section, own);
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}
