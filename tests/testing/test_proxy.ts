import { getLogger } from "@logtape/logtape";
import { Registry } from "prom-client";
import { type Clock, systemClock } from "../../src/kernel/clock.ts";
import { createFs } from "../../src/platform/fs.ts";
import { ProxyConfig } from "../../src/proxy/config.ts";
import { createProxy, type Proxy } from "../../src/proxy/mod.ts";

/** A proxy in this process, with a state directory of its own unless one is given. */
export interface TestProxy extends AsyncDisposable {
  readonly proxy: Proxy;
  readonly url: string;
  readonly stateDir: string;
  /** PEM of the authority that clients must trust. */
  readonly ca: string;
  /** Local token of an identity. */
  token(identity: string): Promise<string>;
  /** Path of the kubeconfig that the proxy wrote for an identity. */
  kubeconfig(identity: string): string;
  /** `fetch` of a path as an identity (or with a header of one's own, or none). */
  fetch(path: string, init?: RequestInit & { as?: string | null }): Promise<Response>;
  /** Value of a metric, summed over its labels that match. */
  metric(name: string, labels?: Record<string, string>): Promise<number>;
  /** Stops the proxy and keeps the state. */
  stop(): Promise<void>;
}

/** Starts a proxy; port 0 unless `section.listen` says otherwise. */
export async function startTestProxy(
  section: Record<string, unknown>,
  options: { stateDir?: string; clock?: Clock } = {},
): Promise<TestProxy> {
  const ownDir = options.stateDir === undefined;
  const stateDir = options.stateDir ?? await Deno.makeTempDir({ prefix: "edge-agent-test-" });
  const config = ProxyConfig.parse({
    listen: "127.0.0.1:0",
    prefetch: "off",
    ...section,
    upstream: { learn: false, ...section.upstream as Record<string, unknown> },
  });
  const registry = new Registry();
  const proxy = createProxy(config, {
    clock: options.clock ?? systemClock,
    fs: createFs(),
    logger: getLogger(["edge-agent", "test"]),
    registry,
    stateDir,
    random: Math.random,
  });
  const stop = new AbortController();
  let stopped = false;
  const stopOnce = async () => {
    if (stopped) return;
    stopped = true;
    client.close();
    stop.abort();
    await proxy[Symbol.asyncDispose]();
  };
  try {
    await proxy.start(stop.signal);
  } catch (error) {
    if (ownDir) await Deno.remove(stateDir, { recursive: true });
    throw error;
  }
  const ca = await Deno.readTextFile(`${stateDir}/pki/ca.crt`);
  const client = Deno.createHttpClient({ caCerts: [ca], poolMaxIdlePerHost: 0 });
  const token = async (identity: string) =>
    (await Deno.readTextFile(`${stateDir}/tokens/${identity}`)).trim();
  const first = config.identities[0]?.name ?? null;
  return {
    proxy,
    url: proxy.url,
    stateDir,
    ca,
    token,
    kubeconfig: (identity) => `${stateDir}/kubeconfigs/${identity}.kubeconfig`,
    async fetch(path, { as = first, ...init } = {}) {
      const headers = new Headers(init.headers);
      if (as !== null) headers.set("authorization", `Bearer ${await token(as)}`);
      return await fetch(proxy.url + path, { ...init, headers, client });
    },
    async metric(name, labels = {}) {
      const metric = await registry.getSingleMetric(name)?.get();
      return (metric?.values ?? [])
        .filter((value) =>
          Object.entries(labels).every(([key, want]) => value.labels[key] === want)
        )
        .reduce((sum, { value }) => sum + value, 0);
    },
    stop: stopOnce,
    async [Symbol.asyncDispose]() {
      await stopOnce();
      if (ownDir) await Deno.remove(stateDir, { recursive: true });
    },
  };
}
