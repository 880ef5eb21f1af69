import assert from "node:assert/strict";
import { fieldsOf, openEnvelope, textAt } from "../../testing/protobuf.ts";
import { decode } from "./compare.ts";
import { noticeDown } from "./outage.ts";
import {
  fetchRaw,
  GO_ACCEPT,
  METADATA_ACCEPT,
  METADATA_ACCEPT_ONE,
  nameOf,
  parseList,
  parseStatus,
  PROTOBUF,
  ProtobufWatch,
  type RawAnswer,
} from "./protobuf_client.ts";
import { shareCloud, type Site } from "./site.ts";
import { WATCH_LIST } from "./watch_client.ts";
import { customPath, installWidgets } from "./widgets.ts";

const scenario = await shareCloud({ prepare: installWidgets });

const post = (site: Site, path: string, object: unknown) =>
  site.cloud(path, { method: "POST", body: JSON.stringify(object) });

/** One object of each kind that a node's components look at, with much in it. */
async function populate(site: Site): Promise<void> {
  await site.create("zebra", { labels: { tier: "back" } });
  await site.create("a", {
    labels: { tier: "front" },
    data: { text: "ä€😀\u2028\n", k8s: "k8s\0" },
  });
  await site.create("a.b", { data: {} });
  await site.create("large", { labels: { tier: "front" }, data: { text: "x".repeat(300_000) } });
  await post(site, site.path("serviceaccounts"), { metadata: { name: "default" } });
  for (const [name, nodeName] of [["web", "n1"], ["db", "n2"]]) {
    await post(site, site.path("pods"), {
      metadata: { name, labels: { app: name }, annotations: { note: "x" } },
      spec: {
        nodeName,
        automountServiceAccountToken: false,
        containers: [{
          name: "main",
          image: "example.com/web:1",
          env: [{ name: "A", value: "1" }],
          ports: [{ containerPort: 8080 }],
          resources: { requests: { cpu: "100m" } },
        }],
      },
    });
  }
  for (const [name, clusterIP] of [["headless", "None"], ["web", undefined]]) {
    await post(site, site.path("services"), {
      metadata: { name },
      spec: { clusterIP, selector: { app: "web" }, ports: [{ port: 80 }] },
    });
  }
  await post(site, site.path("secrets"), { metadata: { name: "s" }, data: { token: "AAEC/w==" } });
  await post(site, `/apis/discovery.k8s.io/v1/namespaces/${site.namespace}/endpointslices`, {
    metadata: { name: "web-1", labels: { "kubernetes.io/service-name": "web" } },
    addressType: "IPv4",
    endpoints: [{ addresses: ["10.0.0.1"], conditions: { ready: true } }],
    ports: [{ port: 8080 }],
  });
  await post(site, `/apis/apps/v1/namespaces/${site.namespace}/deployments`, {
    metadata: { name: "web" },
    spec: {
      selector: { matchLabels: { app: "web" } },
      template: {
        metadata: { labels: { app: "web" } },
        spec: { containers: [{ name: "main", image: "example.com/web:1" }] },
      },
    },
  });
  await post(site, customPath(site.namespace, "widgets"), {
    apiVersion: "scenarios.test/v1",
    kind: "Widget",
    metadata: { name: "w", labels: { tier: "front" } },
    spec: { size: 1 },
  });
}

const lists = (namespace: string) => ({
  "a namespace": `/api/v1/namespaces/${namespace}/configmaps`,
  "all namespaces": "/api/v1/configmaps",
  "a cluster-scoped resource": "/api/v1/namespaces",
  "a label selector": `/api/v1/namespaces/${namespace}/configmaps?labelSelector=tier%3Dfront`,
  "a field selector": `/api/v1/namespaces/${namespace}/configmaps?fieldSelector=metadata.name%3Da`,
  "a kubelet's pods": "/api/v1/pods?fieldSelector=spec.nodeName%3Dn1",
  "a kubelet's services": "/api/v1/services?fieldSelector=spec.clusterIP%21%3DNone",
  "secrets": `/api/v1/namespaces/${namespace}/secrets`,
  "an empty list": `/api/v1/namespaces/${namespace}/endpoints`,
  "a group": `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`,
  "deployments": `/apis/apps/v1/namespaces/${namespace}/deployments`,
  "definitions of custom resources": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
  "registered APIs": "/apis/apiregistration.k8s.io/v1/apiservices",
});

const as = (path: string, version: string) =>
  version === "" ? path : path + (path.includes("?") ? "&" : "?") + version;

function assertSameList(agent: RawAnswer, real: RawAnswer, what: string): void {
  assert.deepEqual([agent.status, agent.contentType], [real.status, real.contentType], what);
  const [ours, theirs] = [agent, real].map(({ bytes }) => parseList(bytes));
  const { resourceVersion: at, ...list } = ours!;
  const { resourceVersion: realAt, ...want } = theirs!;
  assert.deepEqual(list, want, what);
  assert.ok(BigInt(at) >= BigInt(realAt), `${what}: ${at} is older than ${realAt}`);
  // Nothing but the version and the lengths around it may differ.
  if (at === realAt) assert.deepEqual(agent.bytes, real.bytes, what);
}

for (
  const [name, accept] of [
    ["protobuf alone", PROTOBUF],
    ["a Go client", GO_ACCEPT],
    ["a metadata informer", METADATA_ACCEPT],
  ]
) {
  scenario(`S01 LIST in protobuf equals the cloud's, byte for byte (${name})`, async (site) => {
    await populate(site);
    const proxy = await site.proxy();
    for (const [what, path] of Object.entries(lists(site.namespace))) {
      for (const version of ["", "resourceVersion=0"]) {
        const asked = as(path, version);
        const real = await fetchRaw(site.direct, path, accept!);
        assert.equal(real.contentType, PROTOBUF, what);
        assertSameList(await fetchRaw(proxy.fetch, asked, accept!), real, `${what} ${version}`);
      }
    }
  });
}

scenario("S01 GET in protobuf equals the cloud's, byte for byte", async (site) => {
  await populate(site);
  const proxy = await site.proxy();
  for (
    const path of [
      site.path("configmaps", "a"),
      site.path("configmaps", "large"),
      site.path("pods", "web"),
      `${site.path("pods", "web")}/status`,
      `/api/v1/namespaces/${site.namespace}`,
    ]
  ) {
    for (const accept of [PROTOBUF, GO_ACCEPT, METADATA_ACCEPT_ONE]) {
      const real = await fetchRaw(site.direct, path, accept);
      assert.deepEqual([real.status, real.contentType], [200, PROTOBUF], path);
      assert.deepEqual(await fetchRaw(proxy.fetch, path, accept), real, path);
    }
  }
});

scenario("S01 pages in protobuf equal the cloud's", async (site) => {
  await populate(site);
  const proxy = await site.proxy();
  const path = `${site.path("configmaps")}?limit=2`;
  const first = await fetchRaw(proxy.fetch, path, PROTOBUF);
  const { token, remaining, items } = parseList(first.bytes);
  assert.deepEqual([items.map(nameOf), remaining], [["a", "a.b"], 2n]);
  const next = `${path}&continue=${token}`;
  const second = await fetchRaw(proxy.fetch, next, PROTOBUF);
  assert.deepEqual(second.bytes, (await fetchRaw(site.direct, next, PROTOBUF)).bytes);
  assert.deepEqual(parseList(second.bytes).items.map(nameOf), ["large", "zebra"]);
});

for (
  const query of [
    "configmaps/nobody",
    "nosuchthings",
    "nosuchthings?resourceVersion=0",
    "configmaps?labelSelector=%21%21&resourceVersion=0",
    "configmaps?watch=true&resourceVersion=abc",
    "configmaps?continue=abc",
  ]
) {
  scenario(`S01 the cloud's refusal of ${query} reaches a protobuf client`, async (site) => {
    const proxy = await site.proxy();
    const path = site.path(query);
    const real = await fetchRaw(site.direct, path, GO_ACCEPT);
    assert.ok(real.status >= 400, `${real.status}`);
    assert.deepEqual(await fetchRaw(proxy.fetch, path, GO_ACCEPT), real);
  });
}

scenario(
  "S01 custom resources, which have no protobuf, fall back as in the cloud",
  async (site) => {
    await populate(site);
    const proxy = await site.proxy();
    const path = customPath(site.namespace, "widgets");
    for (const version of ["", "resourceVersion=0"]) {
      const list = await fetchRaw(proxy.fetch, as(path, version), GO_ACCEPT);
      const real = await decode(site.direct, path, GO_ACCEPT);
      assert.deepEqual([list.status, list.contentType], [200, "application/json"], version);
      const { items } = JSON.parse(new TextDecoder().decode(list.bytes));
      assert.deepEqual(items, real.body.items);
    }
    const one = `${path}/w`;
    assert.deepEqual(
      await fetchRaw(proxy.fetch, one, GO_ACCEPT),
      await fetchRaw(site.direct, one, GO_ACCEPT),
    );
    // Who takes protobuf alone is refused in the cloud's own words; of metadata there is protobuf.
    for (const asked of [path, `${path}?resourceVersion=0`, `${path}?watch=true`, one]) {
      const real = await fetchRaw(site.direct, asked, PROTOBUF);
      assert.equal(real.status, 406);
      assert.deepEqual(await fetchRaw(proxy.fetch, asked, PROTOBUF), real, asked);
    }
    const real = await fetchRaw(site.direct, path, METADATA_ACCEPT);
    assert.equal(real.contentType, PROTOBUF);
    assertSameList(
      await fetchRaw(proxy.fetch, `${path}?resourceVersion=0`, METADATA_ACCEPT),
      real,
      "metadata",
    );
    // A watch by the way of the hub, and what the hub knows when the link is gone.
    await using watch = await watchJson(site, proxy.fetch, `${path}?watch=true`);
    await watch.sees("w");
    await site.cluster.link.refuse();
    await noticeDown(proxy);
    const offline = await fetchRaw(proxy.fetch, path, GO_ACCEPT);
    assert.deepEqual([offline.status, offline.contentType], [200, "application/json"]);
    const refused = await fetchRaw(proxy.fetch, path, PROTOBUF);
    assert.deepEqual([refused.status, parseStatus(refused.bytes).code], [504, 504]);
  },
);

/** A watch by a client that takes both encodings and is sent JSON. */
async function watchJson(
  _site: Site,
  fetchPath: Parameters<typeof fetchRaw>[0],
  path: string,
): Promise<AsyncDisposable & { sees(text: string): Promise<void> }> {
  const stop = new AbortController();
  const response = await fetchPath(path, { headers: { accept: GO_ACCEPT }, signal: stop.signal });
  assert.deepEqual([response.status, response.headers.get("content-type")], [
    200,
    "application/json",
  ]);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  return {
    async sees(text) {
      let seen = "";
      while (!seen.includes(`"name":"${text}"`)) {
        const { done, value } = await reader.read();
        if (done) throw new Error(`the watch ended before ${text}: ${seen}`);
        seen += value;
      }
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await reader.cancel().catch(() => {});
    },
  };
}

scenario("S01 CBOR is never sent for, unless a client takes nothing else", async (site) => {
  await site.create("a");
  const proxy = await site.proxy();
  for (const path of [site.path("configmaps"), site.path("configmaps", "a")]) {
    for (
      const [accept, want] of [
        [`application/cbor,${PROTOBUF}`, PROTOBUF],
        ["application/cbor,application/json", "application/json"],
      ]
    ) {
      const { status, contentType } = await fetchRaw(proxy.fetch, path, accept!);
      assert.deepEqual([status, contentType], [200, want], `${path} ${accept}`);
    }
    // This server has CBOR switched off: its refusal is the proof that it was asked.
    assert.equal((await fetchRaw(proxy.fetch, path, "application/cbor")).status, 406);
  }
});

/** What happens to the objects while the watches are open; ends with the creation of `last`. */
async function happen(site: Site): Promise<void> {
  await site.create("new", { labels: { tier: "front" } });
  await site.patch("new", { data: { text: "changed" } });
  await site.patch("zebra", { metadata: { labels: { tier: "front" } } });
  await site.patch("a", { metadata: { labels: { tier: "back" } } });
  await site.remove("a.b");
  await site.remove("new");
  await site.create("new", { labels: { tier: "front" } });
  await site.create("last", { labels: { tier: "front" } });
}

for (
  const [name, accept] of [["objects", GO_ACCEPT], ["metadata", METADATA_ACCEPT_ONE]]
) {
  scenario(`S01 WATCH in protobuf equals the cloud's, byte for byte (${name})`, async (site) => {
    await populate(site);
    const proxy = await site.proxy();
    const { resourceVersion } = (await site.cloud(site.path("configmaps"))).metadata;
    const pairs: { path: string; agent: ProtobufWatch; real: ProtobufWatch }[] = [];
    for (const selector of ["", "&labelSelector=tier%3Dfront"]) {
      for (const from of [`&resourceVersion=${resourceVersion}`, "&resourceVersion=0", ""]) {
        const path = `${site.path("configmaps")}?watch=true${selector}${from}`;
        const [agent, real] = await Promise.all([
          ProtobufWatch.open(proxy.fetch, path, accept!),
          ProtobufWatch.open(site.direct, path, accept!),
        ]);
        pairs.push({ path, agent: site.use(agent), real: site.use(real) });
      }
    }
    await happen(site);
    for (const { path, agent, real } of pairs) {
      for (const watch of [agent, real]) await watch.sees("ADDED", "last");
      assert.equal(agent.contentType, real.contentType);
      assert.deepEqual(agent.changes, real.changes, path);
    }
  });

  scenario(`S09 WatchList in protobuf equals the cloud's (${name})`, async (site) => {
    await populate(site);
    const proxy = await site.proxy();
    const path = `${site.path("configmaps")}?${WATCH_LIST}`;
    await using real = await ProtobufWatch.open(site.direct, path, accept!);
    await real.waitFor("the end", (frames) => frames.at(-1)?.type === "BOOKMARK");
    for (const online of [true, false]) {
      if (!online) {
        await site.cluster.link.blackhole();
        await noticeDown(proxy);
      }
      await using agent = await ProtobufWatch.open(proxy.fetch, path, accept!);
      await agent.waitFor("the end", (frames) => frames.at(-1)?.type === "BOOKMARK");
      assert.equal(agent.contentType, `${PROTOBUF};stream=watch`);
      assert.deepEqual(agent.changes, real.changes, `online: ${online}`);
      const [ours, theirs] = [agent, real].map(({ frames }) => openEnvelope(frames.at(-1)!.object));
      assert.equal(ours!.type, theirs!.type);
      assert.match(textAt(ours!.raw, 1, 6), /^[1-9]\d*$/);
      assert.deepEqual(
        [textAt(ours!.raw, 1, 12, 1), textAt(ours!.raw, 1, 12, 2)],
        ["k8s.io/initial-events-end", "true"],
      );
      assert.equal(agent.state, "open");
    }
  });
}

scenario("S01 a protobuf watch from a forgotten version ends with an ERROR 410", async (site) => {
  await site.create("a");
  const proxy = await site.proxy();
  await fetchRaw(proxy.fetch, `${site.path("configmaps")}?resourceVersion=0`, PROTOBUF);
  // Before that, the cloud is asked, which remembers more.
  await site.cluster.link.refuse();
  await noticeDown(proxy);
  const path = `${site.path("configmaps")}?watch=true&resourceVersion=1`;
  await using watch = await ProtobufWatch.open(proxy.fetch, path, PROTOBUF);
  await watch.waitFor("the error", (frames) => frames.length > 0);
  const [error, ...more] = watch.frames;
  assert.deepEqual([error?.type, more.length], ["ERROR", 0]);
  const { code, reason } = parseStatus(error!.object);
  assert.deepEqual([code, reason], [410, "Expired"]);
});

scenario("S06 JSON and protobuf, objects and metadata, side by side: no mixing", async (site) => {
  await populate(site);
  const proxy = await site.proxy();
  const path = site.path("configmaps");
  const shapes = [
    { accept: GO_ACCEPT, one: GO_ACCEPT, contentType: PROTOBUF, type: "v1 ConfigMapList" },
    {
      accept: METADATA_ACCEPT,
      one: METADATA_ACCEPT_ONE,
      contentType: PROTOBUF,
      type: "meta.k8s.io/v1 PartialObjectMetadataList",
    },
    {
      accept: "application/json",
      one: "application/json",
      contentType: "application/json",
      type: "v1 ConfigMapList",
    },
    {
      accept: "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
      one: "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
      contentType: "application/json",
      type: "meta.k8s.io/v1 PartialObjectMetadataList",
    },
  ];
  const look = async (version: string, names: readonly string[]) => {
    for (const { accept, one, contentType, type } of [...shapes, ...shapes.toReversed()]) {
      const list = await fetchRaw(proxy.fetch, as(path, version), accept);
      assert.deepEqual([list.status, list.contentType], [200, contentType], accept);
      if (contentType === PROTOBUF) {
        const { type: got, items } = parseList(list.bytes);
        assert.deepEqual([got, items.map(nameOf)], [type, names]);
        // What no metadata have: data.
        assert.equal(items.some((item) => fieldsOf(item, 2).length > 0), type.startsWith("v1 "));
      } else {
        const { apiVersion, kind, items } = JSON.parse(new TextDecoder().decode(list.bytes));
        assert.equal(`${apiVersion} ${kind}`, type);
        assert.deepEqual(
          items.map((item: { metadata: { name: string } }) => item.metadata.name),
          names,
        );
        assert.equal(items.some((item: object) => "data" in item), type.startsWith("v1 "));
      }
      const get = await fetchRaw(proxy.fetch, site.path("configmaps", "a"), one);
      assert.deepEqual([get.status, get.contentType], [200, contentType], one);
    }
  };
  await look("", ["a", "a.b", "large", "zebra"]);
  await look("resourceVersion=0", ["a", "a.b", "large", "zebra"]);
  // One watch per shape: each sees the change in its own words.
  for (const { one, contentType } of shapes) {
    if (contentType !== PROTOBUF) continue;
    const watch = await ProtobufWatch.open(proxy.fetch, `${path}?watch=true`, one);
    site.use(watch);
  }
  await site.remove("a.b");
  await site.create("later");
  for (const { accept } of shapes) {
    // Each scope's own stream must have brought it before the link goes.
    const { metadata } = await site.cloud(path);
    const known = await fetchRaw(
      proxy.fetch,
      `${path}?resourceVersion=${metadata.resourceVersion}`,
      accept,
    );
    assert.equal(known.status, 200);
  }
  await site.cluster.link.refuse();
  await noticeDown(proxy);
  await look("", ["a", "large", "later", "zebra"]);
  await look("resourceVersion=0", ["a", "large", "later", "zebra"]);
});

scenario("S04 a client that takes protobuf alone is told 504 in protobuf", async (site) => {
  await site.create("a");
  const proxy = await site.proxy();
  await fetchRaw(proxy.fetch, `${site.path("secrets")}?resourceVersion=0`, PROTOBUF);
  await site.cluster.link.refuse();
  await noticeDown(proxy);
  for (const accept of [PROTOBUF, GO_ACCEPT, METADATA_ACCEPT]) {
    for (const query of ["configmaps/a", "configmaps", "configmaps?watch=true"]) {
      const { status, contentType, bytes } = await fetchRaw(proxy.fetch, site.path(query), accept);
      assert.deepEqual([status, contentType], [504, PROTOBUF], query);
      const { code, reason, message } = parseStatus(bytes);
      assert.deepEqual([code, reason], [504, "Timeout"]);
      assert.match(message, /can not be reached/);
    }
  }
  const absent = await fetchRaw(proxy.fetch, site.path("secrets", "nobody"), GO_ACCEPT);
  const { code, reason, message } = parseStatus(absent.bytes);
  assert.deepEqual([absent.status, code, reason, message], [
    404,
    404,
    "NotFound",
    'secrets "nobody" not found',
  ]);
});

scenario("S07 protobuf is paged link-down by tokens of the agent's own", async (site) => {
  const names = Array.from({ length: 7 }, (_, i) => `p${i}`);
  await site.createMany(names);
  const proxy = await site.proxy();
  const path = site.path("configmaps");
  const whole = parseList((await fetchRaw(proxy.fetch, path, PROTOBUF)).bytes);
  await site.cluster.link.refuse();
  await noticeDown(proxy);
  const items: Uint8Array[] = [];
  let token = "";
  do {
    const page = await fetchRaw(proxy.fetch, `${path}?limit=3${token}`, PROTOBUF);
    const list = parseList(page.bytes);
    assert.deepEqual([list.type, list.resourceVersion], [whole.type, whole.resourceVersion]);
    items.push(...list.items);
    token = list.token && `&continue=${encodeURIComponent(list.token)}`;
  } while (token !== "");
  assert.deepEqual(items, whole.items);
});

scenario(
  "S05 what is held in one encoding answers who takes both, never who does not",
  async (site) => {
    await populate(site);
    const proxy = await site.proxy();
    const [maps, pods] = [site.path("configmaps"), site.path("pods")];
    for (const path of [maps, `${maps}?resourceVersion=0`, site.path("configmaps", "a")]) {
      await fetchRaw(proxy.fetch, path, "application/json");
    }
    for (const path of [`${pods}?resourceVersion=0`, site.path("pods", "web")]) {
      await fetchRaw(proxy.fetch, path, PROTOBUF);
    }
    await site.cluster.link.refuse();
    await noticeDown(proxy);
    for (
      const { path, accept, want } of [
        { path: maps, accept: GO_ACCEPT, want: "application/json" },
        { path: maps, accept: PROTOBUF, want: undefined },
        { path: site.path("configmaps", "a"), accept: GO_ACCEPT, want: "application/json" },
        { path: site.path("configmaps", "a"), accept: PROTOBUF, want: undefined },
        { path: pods, accept: `application/json,${PROTOBUF}`, want: PROTOBUF },
        { path: pods, accept: "application/json", want: undefined },
        { path: site.path("pods", "web"), accept: `application/json,${PROTOBUF}`, want: PROTOBUF },
        { path: site.path("pods", "web"), accept: "application/json", want: undefined },
      ]
    ) {
      const { status, contentType } = await fetchRaw(proxy.fetch, path, accept);
      if (want === undefined) assert.equal(status, 504, `${path} ${accept}`);
      else assert.deepEqual([status, contentType], [200, want], `${path} ${accept}`);
    }
  },
);

scenario("S05 selectors are evaluated on protobuf where a wider list is held", async (site) => {
  await populate(site);
  const proxy = await site.proxy();
  for (const resource of ["pods", "services", "configmaps"]) {
    await fetchRaw(proxy.fetch, `/api/v1/${resource}?resourceVersion=0`, GO_ACCEPT);
  }
  const asked = [
    `${site.path("pods")}?fieldSelector=spec.nodeName%3Dn1`,
    `${site.path("pods")}?fieldSelector=status.phase%21%3DRunning,spec.hostNetwork%3Dfalse`,
    `${site.path("pods")}?labelSelector=app+in+(db,other)`,
    `${site.path("services")}?fieldSelector=spec.clusterIP%21%3DNone`,
    `${site.path("configmaps")}?fieldSelector=metadata.name%3Da`,
    `${site.path("configmaps")}?labelSelector=tier%3Dfront`,
    site.path("configmaps"),
  ];
  const real = new Map<string, RawAnswer>();
  for (const path of asked) real.set(path, await fetchRaw(site.direct, path, PROTOBUF));
  await site.cluster.link.refuse();
  await noticeDown(proxy);
  for (const path of asked) {
    const agent = await fetchRaw(proxy.fetch, path, GO_ACCEPT);
    assert.equal(agent.status, 200, path);
    const [ours, theirs] = [agent, real.get(path)!].map(({ bytes }) => parseList(bytes));
    assert.ok(theirs!.items.length > 0, path);
    assert.deepEqual([ours!.type, ours!.items], [theirs!.type, theirs!.items], path);
  }
  // What the agent can't see in these bytes it does not guess.
  const unseen = `${site.path("services")}?fieldSelector=spec.externalName%3Dx`;
  assert.equal((await fetchRaw(proxy.fetch, unseen, GO_ACCEPT)).status, 504);
});
