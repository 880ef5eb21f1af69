import assert from "node:assert/strict";
import { until } from "../cluster/poll.ts";
import {
  encode,
  encodeList,
  encodeMeta,
  envelope,
  fieldsOf,
  openEnvelope,
} from "../testing/protobuf.ts";
import { startTestProxy, type TestProxy } from "../testing/test_proxy.ts";

const PROTOBUF = "application/vnd.kubernetes.protobuf";
const GO = `${PROTOBUF},application/json`;

/** How the stub answers for a collection. */
type Habit =
  /** In what is asked for, as for built-in kinds. */
  | "both"
  /** 406 to protobuf alone, as for custom resources. */
  | "json"
  /** Never in anything but JSON, whatever is asked for. */
  | "deaf";

const HABITS: Record<string, Habit> = { configmaps: "both", widgets: "json", oddities: "deaf" };

const META = { name: "a", namespace: "ns", uid: "u", resourceVersion: "3" };
const ITEM = encode([[1, encodeMeta(META)], [2, [[1, "key"], [2, "value"]]]]);
const ITEM_JSON = { metadata: META, data: { key: "value" } };

/** A cloud of three collections with one object each, which writes down what it was asked. */
class StubCloud implements AsyncDisposable {
  readonly asked: { what: string; accept: string }[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #watches = new Set<() => void>();

  constructor() {
    this.#server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen() {} },
      (request) => this.#answer(request),
    );
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  #answer(request: Request): Response {
    const { pathname, searchParams } = new URL(request.url);
    const [resource = "", name] = pathname.split("/").slice(5);
    const habit = pathname.startsWith("/api/v1/namespaces/ns/") ? HABITS[resource] : undefined;
    if (habit === undefined) return Response.json({ gitVersion: "v1.35.4" });
    const accept = request.headers.get("accept") ?? "";
    const watch = searchParams.get("watch") === "true";
    this.asked.push({ what: `${watch ? "watch" : name ? "get" : "list"} ${resource}`, accept });
    const [first] = accept.split(",");
    if (habit === "json" && accept === PROTOBUF) return new Response(null, { status: 406 });
    const type = first === PROTOBUF && habit === "both" ? PROTOBUF : "application/json";
    const headers = { "content-type": watch && type === PROTOBUF ? `${type};stream=watch` : type };
    if (watch) return new Response(this.#openWatch(), { headers });
    if (type === PROTOBUF) {
      const body = name
        ? envelope("v1", "ConfigMap", ITEM)
        : encodeList({ kind: "ConfigMapList" }, [ITEM]);
      return new Response(body, { headers });
    }
    const body = name ? { kind: "ConfigMap", apiVersion: "v1", ...ITEM_JSON } : {
      kind: "ConfigMapList",
      apiVersion: "v1",
      metadata: { resourceVersion: "7" },
      items: [ITEM_JSON],
    };
    return Response.json(body, { headers });
  }

  #openWatch(): ReadableStream<Uint8Array> {
    let end = () => {};
    return new ReadableStream({
      start: (controller) => void this.#watches.add(end = () => controller.close()),
      cancel: () => void this.#watches.delete(end),
    });
  }

  /** The link is lost for good. */
  async leave(): Promise<void> {
    for (const end of this.#watches) end();
    this.#watches.clear();
    await this.#server.shutdown();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.leave();
  }
}

async function startSite() {
  await using stack = new AsyncDisposableStack();
  const cloud = stack.use(new StubCloud());
  const directory = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(directory, { recursive: true }));
  const tokenFile = `${directory}/token`;
  await Deno.writeTextFile(tokenFile, "secret");
  const upstream = { server: cloud.url };
  const proxy = stack.use(
    await startTestProxy({ upstream, identities: [{ name: "node", tokenFile }] }),
  );
  const held = stack.move();
  return {
    cloud,
    proxy,
    async cut() {
      await cloud.leave();
      await until("the link to be down", async () => {
        await (await proxy.fetch("/version/any")).body?.cancel();
        return await proxy.metric("edge_agent_proxy_link_state_info", { state: "down" }) === 1;
      });
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

const path = (resource: string, rest = "") => `/api/v1/namespaces/ns/${resource}${rest}`;

async function ask(proxy: TestProxy, path: string, accept: string) {
  const response = await proxy.fetch(path, { headers: { accept } });
  const type = response.headers.get("content-type");
  return { status: response.status, type, bytes: await response.bytes() };
}

Deno.test("a Go client is mirrored in protobuf, and answered so when the link is gone", async () => {
  await using site = await startSite();
  const { cloud, proxy } = site;
  const list = path("configmaps", "?resourceVersion=0");
  const look = async () => {
    const listed = await ask(proxy, list, GO);
    assert.deepEqual([listed.status, listed.type], [200, PROTOBUF]);
    assert.deepEqual(listed.bytes, encodeList({ kind: "ConfigMapList" }, [ITEM]));
    const got = await ask(proxy, path("configmaps", "/a"), GO);
    assert.deepEqual([got.status, got.type], [200, PROTOBUF]);
    assert.deepEqual(got.bytes, envelope("v1", "ConfigMap", ITEM));
  };
  await look();
  await until("a watch", () => cloud.asked.some(({ what }) => what === "watch configmaps"));
  const mirrored = cloud.asked.filter(({ what }) => what !== "get configmaps");
  assert.deepEqual([...new Set(mirrored.map(({ accept }) => accept))], [PROTOBUF]);
  await site.cut();
  await look();
  // Who can't read it is not told that there is nothing.
  assert.equal((await ask(proxy, list, "application/json")).status, 504);
});

Deno.test.each(["widgets", "oddities"])(
  "a resource without protobuf (%s) is mirrored in JSON",
  async (resource) => {
    await using site = await startSite();
    const { cloud, proxy } = site;
    const list = path(resource, "?resourceVersion=0");
    for (let i = 0; i < 3; i++) {
      const { status, type, bytes } = await ask(proxy, list, GO);
      assert.deepEqual([status, type], [200, "application/json"]);
      assert.deepEqual(JSON.parse(new TextDecoder().decode(bytes)).items, [ITEM_JSON]);
    }
    // Asked once in vain, not each time.
    assert.deepEqual(
      cloud.asked.filter(({ what }) => what === `list ${resource}`).map(({ accept }) => accept),
      [PROTOBUF, "application/json"],
    );
    assert.equal((await ask(proxy, path(resource, "/a"), GO)).type, "application/json");
    await site.cut();
    for (
      const [query, want] of [["?resourceVersion=0", 200], ["/a", 200], ["/b", 404], ["", 200]]
    ) {
      assert.equal((await ask(proxy, path(resource, String(query)), GO)).status, want, `${query}`);
    }
  },
);

Deno.test("the cloud is not asked for CBOR by a client that takes something else", async () => {
  await using site = await startSite();
  const { cloud, proxy } = site;
  for (const rest of ["", "/a"]) {
    await ask(proxy, path("configmaps", rest), `application/cbor,${GO}`);
    await ask(proxy, path("configmaps", rest), "application/cbor;q=1,application/yaml");
    await ask(proxy, path("configmaps", rest), "application/cbor");
  }
  assert.deepEqual(cloud.asked.map(({ accept }) => accept), [
    ...[GO, "application/yaml", "application/cbor"],
    ...[GO, "application/yaml", "application/cbor"],
  ]);
});

Deno.test("a watch of a protobuf client gets the objects that are there", async () => {
  await using site = await startSite();
  const { proxy } = site;
  const response = await proxy.fetch(path("configmaps", "?watch=true&timeoutSeconds=1"), {
    headers: { accept: GO },
  });
  assert.equal(response.headers.get("content-type"), `${PROTOBUF};stream=watch`);
  const bytes = await response.bytes();
  assert.equal(new DataView(bytes.buffer).getUint32(0), bytes.length - 4);
  const [extension] = fieldsOf(bytes.subarray(4), 2);
  const { type, raw } = openEnvelope(fieldsOf(extension!, 1)[0]!);
  assert.deepEqual([type, raw.slice()], ["v1 ConfigMap", ITEM]);
});
