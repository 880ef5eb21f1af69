import assert from "node:assert/strict";
import type { InformerLine } from "../informer.ts";
import { ACCEPT, ACCEPT_ONE, assertSame, decode, namesOf } from "./compare.ts";
import { linkIs, noticeDown } from "./outage.ts";
import {
  fetchRaw,
  GO_ACCEPT,
  METADATA_ACCEPT,
  METADATA_ACCEPT_ONE,
  parseList,
  PROTOBUF,
  ProtobufWatch,
} from "./protobuf_client.ts";
import { type FetchPath, note, PATIENCE_MS, shareCloud, type Site } from "./site.ts";
import { WATCH_LIST, WatchClient } from "./watch_client.ts";

const scenario = await shareCloud();

async function post(site: Site, path: string, object: unknown): Promise<void> {
  await site.cloud(path, { method: "POST", body: JSON.stringify(object) });
}

/** Objects of every kind that can be selected by more than its name. */
async function populate(site: Site): Promise<void> {
  const { namespace } = site;
  await post(site, site.path("serviceaccounts"), { metadata: { name: "default" } });
  const pod = (name: string, spec: Record<string, unknown>, labels: Record<string, string>) =>
    post(site, site.path("pods"), {
      metadata: { name, labels },
      spec: {
        containers: [{ name: "c", image: "i" }],
        automountServiceAccountToken: false,
        ...spec,
      },
    });
  await pod("placed", { nodeName: "edge-1" }, { tier: "front", size: "3" });
  await pod("waiting", { restartPolicy: "Never", schedulerName: "mine" }, { tier: "back" });
  await pod("host", { hostNetwork: true }, {});
  await site.cloud(`${site.path("pods", "placed")}/status`, {
    method: "PATCH",
    headers: { "content-type": "application/merge-patch+json" },
    body: JSON.stringify({
      status: { phase: "Running", podIP: "10.1.2.3", podIPs: [{ ip: "10.1.2.3" }] },
    }),
  });
  const service = (name: string, spec: Record<string, unknown>) =>
    post(site, site.path("services"), {
      metadata: { name },
      spec: { ports: [{ port: 80 }], ...spec },
    });
  await service("headless", { clusterIP: "None" });
  await service("web", {});
  await service("open", { type: "NodePort" });
  await post(site, site.path("secrets"), { metadata: { name: "plain" } });
  await post(site, site.path("secrets"), {
    metadata: { name: "login" },
    type: "kubernetes.io/basic-auth",
    stringData: { username: "u", password: "p" },
  });
  await post(site, "/api/v1/nodes", { metadata: { name: `node-of-${namespace}` } });
  const event = (name: string, more: Record<string, unknown>) =>
    post(site, site.path("events"), {
      metadata: { name },
      involvedObject: { kind: "Pod", namespace, name: "placed", uid: "u-1" },
      ...more,
    });
  await event("started", { reason: "Started", type: "Normal", source: { component: "kubelet" } });
  await event("failed", { reason: "Failed", type: "Warning", reportingComponent: "controller" });
}

const LABELS = [
  "tier",
  "!tier",
  "tier=front",
  "tier!=front",
  "tier in (front,back)",
  "tier notin (front)",
  "size>2",
  "size<3",
  "tier,size",
];

const SELECTORS: Record<string, string[]> = {
  pods: [
    "metadata.name=placed",
    "metadata.name!=placed",
    "metadata.namespace=default",
    "spec.nodeName=edge-1",
    "spec.nodeName=",
    "spec.restartPolicy=Never",
    "spec.schedulerName=mine",
    "spec.serviceAccountName=default",
    "spec.hostNetwork=true",
    "spec.hostNetwork=false",
    "status.phase=Running",
    "status.phase!=Running,spec.nodeName=",
    "status.podIP=10.1.2.3",
    "status.podIP=",
    "status.nominatedNodeName=",
  ],
  services: ["spec.clusterIP!=None", "spec.clusterIP=None", "spec.type=NodePort"],
  secrets: ["type=Opaque", "type!=Opaque"],
  events: [
    "involvedObject.name=placed",
    "involvedObject.kind=Pod,involvedObject.uid=u-1",
    "involvedObject.fieldPath=",
    "reason=Failed",
    "type!=Normal",
    "source=kubelet",
    "source=controller",
    "reportingComponent=controller",
  ],
};

scenario("S06 every selector chooses out of what is mirrored as the cloud does", async (site) => {
  await populate(site);
  const proxy = await site.proxy();
  const compare = async (path: string, resource: string) => {
    const before = await site.upstreamLists(resource);
    const agent = await decode(proxy.fetch, `${path}&resourceVersion=0`);
    assert.equal(await site.upstreamLists(resource), before, `${path} was asked of the cloud`);
    assertSame(agent, await decode(site.direct, `${path}&resourceVersion=0`), path);
  };
  let count = 0;
  for (const [resource, fields] of Object.entries(SELECTORS)) {
    await decode(proxy.fetch, `/api/v1/${resource}?resourceVersion=0`);
    for (const base of [`/api/v1/${resource}`, site.path(resource)]) {
      for (const selector of fields) {
        await compare(`${base}?fieldSelector=${encodeURIComponent(selector)}`, resource);
        count++;
      }
    }
  }
  for (const selector of LABELS) {
    await compare(`${site.path("pods")}?labelSelector=${encodeURIComponent(selector)}`, "pods");
    count++;
  }
  const events = "/apis/events.k8s.io/v1/events";
  await decode(proxy.fetch, `${events}?resourceVersion=0`);
  for (const field of ["regarding.name=placed", "reportingController=controller", "type=Warning"]) {
    await compare(`${events}?fieldSelector=${encodeURIComponent(field)}`, "events");
    count++;
  }
  for (
    const [resource, field] of [["nodes", "spec.unschedulable=false"], [
      "namespaces",
      "status.phase=Active",
    ]]
  ) {
    await decode(proxy.fetch, `/api/v1/${resource}?resourceVersion=0`);
    await compare(`/api/v1/${resource}?fieldSelector=${encodeURIComponent(field!)}`, resource!);
    count++;
  }
  note(`${count} lists were answered without asking the cloud`);
});

for (const representation of ["object", "metadata"] as const) {
  scenario(
    `S06 a watch out of what is mirrored equals the cloud's (${representation})`,
    async (site) => {
      await site.create("a", { labels: { tier: "front" } });
      await site.create("b", { labels: { tier: "back" } });
      const proxy = await site.proxy();
      const { metadata } = (await decode(proxy.fetch, "/api/v1/configmaps?resourceVersion=0")).body;
      const headers = { accept: ACCEPT_ONE[representation] };
      const path = site.path("configmaps");
      const paths = [
        `${path}?labelSelector=tier%3Dfront&resourceVersion=${metadata.resourceVersion}`,
        `${path}?labelSelector=tier%3Dfront&resourceVersion=0`,
        `${path}?labelSelector=tier%21%3Dfront`,
        `${path}?fieldSelector=metadata.name%3Db`,
        `${path}?resourceVersion=0`,
        `/api/v1/configmaps?labelSelector=tier`,
      ].map((each) => `${each}&watch=true`);
      const open = async (fetchPath: typeof site.direct) =>
        await Promise.all(
          paths.map(async (each) => site.use(await WatchClient.open(fetchPath, each, headers))),
        );
      const agents = await open(proxy.fetch);
      // Neither a scope of their own nor a watch that was forwarded.
      assert.equal(await proxy.metric("edge_agent_proxy_scopes_count"), 1);
      const watches = (source: string) =>
        proxy.metric("edge_agent_proxy_requests_total", { lane: "watch", source });
      assert.deepEqual([await watches("hub"), await watches("cloud")], [paths.length, 0]);
      const reals = await open(site.direct);
      const label = (name: string, tier: string | null) =>
        site.patch(name, { metadata: { labels: { tier } } });
      await label("b", "front");
      await site.patch("b", { data: { text: "changed" } });
      await label("a", "back");
      await label("a", null);
      await label("a", "front");
      await site.remove("a");
      await site.create("last", { labels: { tier: "front" } });
      await label("last", "back");
      await label("b", "last");
      for (const [index, each] of paths.entries()) {
        const isLast = (watch: WatchClient) => () =>
          JSON.stringify(watch.frames).includes('"last"') &&
          watch.frames.at(-1)?.object.metadata.name === "b";
        await reals[index]!.waitFor(`the end of ${each}`, isLast(reals[index]!)).catch(() => {});
        const wanted = reals[index]!.changes;
        await agents[index]!.waitFor(
          `all of ${each}`,
          () => agents[index]!.changes.length >= wanted.length,
        );
        assert.deepEqual(agents[index]!.changes, wanted, each);
      }
    },
  );
}

scenario("S06 protobuf out of what is mirrored is the cloud's, byte for byte", async (site) => {
  await site.create("a", { labels: { tier: "front" } });
  await site.create("b", { labels: { tier: "back" } });
  const proxy = await site.proxy();
  const all = "/api/v1/configmaps?resourceVersion=0";
  assert.equal((await fetchRaw(proxy.fetch, all, GO_ACCEPT)).contentType, PROTOBUF);
  const part = `${site.path("configmaps")}?labelSelector=tier%3Dfront`;
  for (
    const [accept, one] of [[GO_ACCEPT, GO_ACCEPT], [METADATA_ACCEPT, METADATA_ACCEPT_ONE]] as const
  ) {
    const list = async (fetchPath: FetchPath) =>
      parseList((await fetchRaw(fetchPath, `${part}&resourceVersion=0`, accept)).bytes);
    const [agent, real] = [await list(proxy.fetch), await list(site.direct)];
    assert.deepEqual([agent.type, agent.items], [real.type, real.items]);
    const watch = async (fetchPath: FetchPath) =>
      site.use(await ProtobufWatch.open(fetchPath, `${part}&watch=true&resourceVersion=0`, one));
    const watches = [await watch(proxy.fetch), await watch(site.direct)];
    await site.patch("b", { metadata: { labels: { tier: "front" } } });
    await site.patch("a", { metadata: { labels: { tier: "back" } } });
    for (const each of watches) await each.waitFor("all", ({ length }) => length === 3);
    assert.deepEqual(watches[0]!.frames, watches[1]!.frames);
    assert.deepEqual(watches[0]!.frames.map(({ type }) => type), ["ADDED", "ADDED", "DELETED"]);
    await site.patch("b", { metadata: { labels: { tier: "back" } } });
    await site.patch("a", { metadata: { labels: { tier: "front" } } });
    // The next round begins where this one did.
    for (const each of watches) await each.waitFor("the end", ({ length }) => length === 5);
  }
  assert.equal(await proxy.metric("edge_agent_proxy_scopes_count"), 1);
});

for (const contentType of ["application/json", "application/vnd.kubernetes.protobuf"]) {
  scenario(
    `S09 informers of parts of what is mirrored live through an outage (${contentType})`,
    async (site) => {
      await site.create("mine", { labels: { tier: "front" } });
      await site.create("other", { labels: { tier: "back" } });
      const proxy = await site.proxy();
      const start = (more: Record<string, string>) =>
        site.use(site.cluster.informer({
          kubeconfig: proxy.kubeconfig("admin"),
          resource: "configmaps",
          contentType,
          ...more,
        }));
      const isSynced = ({ type }: InformerLine) => type === "synced";
      await start({}).waitFor(isSynced, PATIENCE_MS);
      await site.cluster.link.refuse();
      await noticeDown(proxy);
      const part = start({ namespace: site.namespace, labelSelector: "tier=front" });
      await part.waitFor(isSynced, PATIENCE_MS);
      assert.deepEqual(Object.keys((await part.store()).keys), [`${site.namespace}/mine`]);
      await site.cluster.link.restore();
      await linkIs(proxy, "up");
      await site.patch("other", { metadata: { labels: { tier: "front" } } });
      await site.patch("mine", { metadata: { labels: { tier: "back" } } });
      const saw = (type: "add" | "delete", name: string) => (line: InformerLine) =>
        line.type === type && line.key === `${site.namespace}/${name}`;
      await part.waitFor(saw("add", "other"), PATIENCE_MS);
      await part.waitFor(saw("delete", "mine"), PATIENCE_MS);
      assert.deepEqual(Object.keys((await part.store()).keys), [`${site.namespace}/other`]);
      // One hub served them both.
      assert.equal(await proxy.metric("edge_agent_proxy_scopes_count"), 1);
    },
  );
}

scenario("S13 kubectl get -w shows what is held link-down", async (site) => {
  await site.create("a");
  const proxy = await site.proxy({ prefetch: "discovery" });
  const kubeconfig = proxy.kubeconfig("admin");
  const kubectl = (...args: string[]) =>
    site.cluster.kubectl(["get", "configmaps", "-n", site.namespace, ...args], {
      kubeconfig,
      allowFailure: true,
    });
  await kubectl();
  await decode(proxy.fetch, `${site.path("configmaps")}?resourceVersion=0`);
  await site.cluster.link.refuse();
  await noticeDown(proxy);
  const { stdout } = await kubectl("-w", "--request-timeout=3s", "--no-headers");
  assert.match(stdout, /^a\s/);
  const { stdout: changes } = await kubectl("--watch-only", "--request-timeout=3s", "-o", "name");
  assert.equal(changes.trim(), "");
});

scenario(
  "S09 the metadata of what is mirrored come as a WatchList without a list upstream",
  async (site) => {
    await site.create("a");
    const proxy = await site.proxy();
    await decode(proxy.fetch, `${site.path("configmaps")}?resourceVersion=0`);
    const before = await site.upstreamLists("configmaps");
    const path = `${site.path("configmaps")}?${WATCH_LIST}`;
    const headers = { accept: ACCEPT_ONE.metadata };
    await using agent = await WatchClient.open(proxy.fetch, path, headers);
    await using real = await WatchClient.open(site.direct, path, headers);
    for (const watch of [agent, real]) await watch.seesInitialEventsEnd();
    assert.deepEqual(agent.changes, real.changes);
    const list = await decode(
      proxy.fetch,
      `${site.path("configmaps")}?resourceVersion=0`,
      ACCEPT.metadata,
    );
    assertSame(
      list,
      await decode(site.direct, `${site.path("configmaps")}?resourceVersion=0`, ACCEPT.metadata),
      path,
    );
    assert.deepEqual(namesOf(list.body), ["a"]);
    assert.equal(await site.upstreamLists("configmaps"), before + 1); // the direct one
  },
);
