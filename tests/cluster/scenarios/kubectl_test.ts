import assert from "node:assert/strict";
import type { TestProxy } from "../../testing/test_proxy.ts";
import { CLIENT_RELEASES, type ClientRelease } from "../components.ts";
import { decode } from "./compare.ts";
import { hasLogged } from "./agent_log.ts";
import { linkIs, noticeDown, OUTAGES } from "./outage.ts";
import { note, shareCloud, type Site } from "./site.ts";
import { customPath, installWidgets } from "./widgets.ts";

const scenario = await shareCloud({ prepare: installWidgets });

async function populate(site: Site): Promise<void> {
  await site.create("first", { labels: { tier: "front" }, data: { text: "hello\nworld" } });
  await site.create("second");
  await site.cloud(customPath(site.namespace, "widgets"), {
    method: "POST",
    body: JSON.stringify({
      apiVersion: "scenarios.test/v1",
      kind: "Widget",
      metadata: { name: "wheel" },
      spec: { size: 4 },
    }),
  });
  await site.cloud(site.path("services"), {
    method: "POST",
    body: JSON.stringify({
      metadata: { name: "web" },
      spec: { ports: [{ port: 80 }], selector: { app: "web" } },
    }),
  });
}

/** What kubectl prints; ages pass while one looks. */
async function printed(
  site: Site,
  kubeconfig: string,
  args: readonly string[],
  cacheDir: string,
  release: ClientRelease = "own",
): Promise<{ code: number; stdout: string; stderr: string }> {
  const options = { kubeconfig, cacheDir, release, allowFailure: true };
  const result = await site.cluster.kubectl(args, options);
  const { code, stdout, stderr } = result;
  return { code, stdout: stdout.replaceAll(/\b\d+[smhd](\d+[smhd])?\b(?=\s)/g, "AGE"), stderr };
}

const commands = (namespace: string): string[][] =>
  [
    "get configmaps",
    "get configmaps -o wide",
    "get configmaps -o json",
    "get configmaps -o yaml",
    "get configmaps -o name",
    "get configmap first -o json",
    "get configmap first",
    "get configmap nobody",
    "get configmaps,services,widgets",
    "get widgets -o json",
    "get widget wheel",
    "get configmaps.scenarios.test",
    "get configmaps -l tier=front",
    "get configmaps --field-selector=metadata.name=second",
    "get configmaps --chunk-size=1",
    "get configmaps --show-labels --sort-by=.metadata.name",
    "get nosuchthings",
    "describe configmap first",
    "describe service web",
    "describe widget wheel",
    `describe namespace ${namespace}`,
    "api-resources",
    "api-versions",
    "explain configmap.data",
    "explain widget.spec",
    "version -o json",
    `get --raw /api/v1/namespaces/${namespace}/services/web`,
  ].map((line) => [...line.split(" "), "-n", namespace]);

for (const release of CLIENT_RELEASES) {
  scenario(
    `S01 kubectl (${release} release) prints the same through the agent as directly`,
    async (site) => {
      await populate(site);
      const proxy = await site.proxy();
      const [ours, theirs] = [await site.directory(), await site.directory()];
      for (const args of commands(site.namespace)) {
        const [agent, real] = await Promise.all([
          printed(site, proxy.kubeconfig("admin"), args, ours, release),
          printed(site, site.cluster.kubeconfigs.backdoor, args, theirs, release),
        ]);
        assert.deepEqual(agent, real, args.join(" "));
      }
    },
  );
}

scenario("S01 kubectl lists all namespaces the same through the agent", async (site) => {
  await populate(site);
  const proxy = await site.proxy();
  const cache = await site.directory();
  for (const line of ["get configmaps -A", "get services,namespaces -A -o wide", "get events -A"]) {
    const args = line.split(" ");
    const agent = await printed(site, proxy.kubeconfig("admin"), args, cache);
    assert.deepEqual(
      agent,
      await printed(site, site.cluster.kubeconfigs.backdoor, args, cache),
      line,
    );
  }
});

scenario("S01 kubectl create, apply, patch, label and delete reach the cloud", async (site) => {
  const proxy = await site.proxy();
  const kubeconfig = proxy.kubeconfig("admin");
  const kubectl = (line: string, stdin?: string) =>
    site.cluster.kubectl([...line.split(" "), "-n", site.namespace], { kubeconfig, stdin });
  const manifest = (text: string) =>
    JSON.stringify({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "mine" },
      data: { text },
    });
  await kubectl("apply -f -", manifest("one"));
  await kubectl("apply -f -", manifest("two"));
  await kubectl("apply --server-side --force-conflicts -f -", manifest("three"));
  await kubectl("label configmap mine tier=front");
  await kubectl('patch configmap mine -p {"data":{"more":"yes"}}');
  const mine = await site.cloud(site.path("configmaps", "mine"));
  assert.deepEqual(mine.data, { text: "three", more: "yes" });
  assert.deepEqual(mine.metadata.labels, { tier: "front" });
  await kubectl("delete configmap mine");
  assert.equal((await decode(site.direct, site.path("configmaps", "mine"))).status, 404);
});

/** What a person does on a node whose cloud is away, with nothing cached by kubectl itself. */
async function workOffline(
  site: Site,
  proxy: TestProxy,
  before: Map<string, string>,
  release: ClientRelease,
) {
  const cache = await site.directory();
  const kubeconfig = proxy.kubeconfig("admin");
  for (const args of commands(site.namespace)) {
    const line = args.join(" ");
    const wanted = before.get(line)!;
    const started = performance.now();
    const { code, stdout, stderr } = await printed(site, kubeconfig, args, cache, release);
    if (args[0] === "api-resources") {
      note(
        `api-resources without a cache of its own: ${Math.round(performance.now() - started)} ms`,
      );
    }
    if (wanted === "") continue;
    assert.equal(code, 0, `${line}: ${stderr}`);
    // Objects of which only the plain list is known are printed without the columns of the cloud.
    if (/^get .*(-l|--field-selector|--chunk|--show|,)/.test(line)) continue;
    assert.equal(stdout, wanted, line);
  }
}

const RUNS = [
  ...Object.entries(OUTAGES).map(([how, cut]) => ({ how, cut, release: "own" as const })),
  { how: "refused, current release", cut: OUTAGES.refused, release: "current" as const },
];
for (const { how, cut, release } of RUNS) {
  scenario(
    `S13 kubectl works link-down with an empty cache, also after a restart (${how})`,
    async (site) => {
      await populate(site);
      const stateDir = await site.directory();
      const first = await site.proxy({ prefetch: "openapi" }, { stateDir });
      await hasLogged("prefetched API discovery");
      const before = new Map<string, string>();
      const cache = await site.directory();
      for (const args of commands(site.namespace)) {
        const kubeconfig = first.kubeconfig("admin");
        const { code, stdout } = await printed(site, kubeconfig, args, cache, release);
        before.set(args.join(" "), code === 0 ? stdout : "");
      }
      await cut(site);
      await noticeDown(first);
      await workOffline(site, first, before, release);
      await first.stop();
      const second = await site.proxy({ prefetch: "openapi" }, { stateDir });
      await linkIs(second, "down");
      await workOffline(site, second, before, release);
    },
  );
}

scenario(
  "S13 kubectl that nobody used before works link-down on what informers asked for",
  async (site) => {
    await populate(site);
    const proxy = await site.proxy({ prefetch: "openapi" });
    await hasLogged("prefetched API discovery");
    await decode(proxy.fetch, `${site.path("configmaps")}?resourceVersion=0`);
    await decode(proxy.fetch, `${customPath(site.namespace, "widgets")}?resourceVersion=0`);
    await site.cluster.link.refuse();
    await linkIs(proxy, "down");
    const kubeconfig = proxy.kubeconfig("admin");
    const cache = await site.directory();
    const run = (line: string) =>
      printed(site, kubeconfig, [...line.split(" "), "-n", site.namespace], cache);
    const listed = await run("get configmaps");
    assert.match(listed.stdout, /^NAME +AGE\nfirst +AGE\nsecond +AGE\n$/);
    assert.match((await run("get configmaps -o json")).stdout, /"hello\\nworld"/);
    // It wants the events too, of which nobody ever asked: not knowing them is not having none.
    assert.match(
      (await run("describe configmap first")).stderr,
      /\(Timeout\): Cannot list .*events/,
    );
    assert.match((await run("get widgets")).stdout, /^NAME +AGE\nwheel +AGE\n$/);
    assert.match((await run("describe widget wheel")).stdout, /Size: +4/);
    assert.match((await run("get configmap nobody")).stderr, /NotFound/);
    assert.match((await run("get secrets")).stderr, /\(Timeout\)/);
    assert.match((await run("api-resources")).stdout, /configmaps +cm +v1 +true +ConfigMap/);
    assert.match((await run("explain pod.spec.containers")).stdout, /A list of|List of containers/);
    const created = await run("create configmap mine");
    assert.match(created.stderr, /can not be reached.*nothing was changed/);
    assert.equal(created.code, 1);
  },
);

for (const restarted of [false, true]) {
  const when = restarted ? "with the agent restarted too" : "beside others";
  scenario(`S13 a client-go informer starts link-down ${when}`, async (site) => {
    await populate(site);
    const stateDir = await site.directory();
    const { cluster, namespace } = site;
    let proxy = await site.proxy({}, { stateDir });
    const flags = { resource: "configmaps", namespace } as const;
    let keys: Readonly<Record<string, string>>;
    {
      await using informer = cluster.informer({ ...flags, kubeconfig: proxy.kubeconfig("admin") });
      await informer.waitFor((line) => line.type === "synced");
      ({ keys } = await informer.store());
    }
    await cluster.link.blackhole();
    if (restarted) {
      await proxy.stop();
      proxy = await site.proxy({}, { stateDir });
    } else await noticeDown(proxy);
    const started = performance.now();
    await using informer = cluster.informer({ ...flags, kubeconfig: proxy.kubeconfig("admin") });
    await informer.waitFor((line) => line.type === "synced");
    note(`synced ${Math.round(performance.now() - started)} ms after its start`);
    assert.deepEqual((await informer.store()).keys, keys);
    assert.equal(Object.keys(keys).length, 2);
    // It lives on when the link comes back.
    await site.create("third");
    await cluster.link.restore();
    await informer.waitFor(
      (line) => line.type === "add" && line.key === `${namespace}/third`,
      30_000,
    );
  });
}
