import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import { MemoryStore } from "../../../tests/testing/memory_store.ts";
import type { Caller } from "../identity/identity.ts";
import { KeptAnswers } from "../store/kept.ts";
import { UnreachableError } from "../upstream/upstream.ts";
import { createDiscoveryLane } from "./discovery_lane.ts";
import type { LaneContext } from "./lane_context.ts";

const NODE: Caller = { kind: "identity", name: "node", key: "identity:node" };
const POD: Caller = { kind: "bearer", token: "t", key: "bearer:h" };
const AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/** The lane in front of a cloud of one document per path and Accept. */
function setUp() {
  const clock = new FakeClock();
  const kept = new KeptAnswers(new MemoryStore().asStateStore(), clock);
  const cloud = {
    isUp: true,
    status: 200,
    body: "1",
    headers: { "content-type": "application/json" } as Record<string, string>,
    /** What came up the link: path, query and If-None-Match. */
    seen: [] as string[],
  };
  const context = {
    clock,
    kept,
    forwarder: {
      read({ path, query, headers }: { path: string; query: URLSearchParams; headers: Headers }) {
        if (!cloud.isUp) return Promise.reject(new UnreachableError("cut", { sent: false }));
        const tag = headers.get("if-none-match");
        cloud.seen.push([path, query.toString(), tag ?? ""].join(" "));
        const unchanged = tag !== null && tag === cloud.headers.etag;
        return Promise.resolve(
          unchanged
            ? new Response(null, { status: 304, headers: { etag: tag } })
            : new Response(cloud.body, { status: cloud.status, headers: cloud.headers }),
        );
      },
    },
    marks: {
      headers: () => ({ age: "1", warning: "299" }),
      unknown: (message: string) => new Response(message, { status: 504 }),
    },
    metrics: { answered: () => {} },
  } as unknown as LaneContext;
  const lane = createDiscoveryLane(context);
  const ask = async (
    target: string,
    headers: Record<string, string> = {},
    caller: Caller = NODE,
  ) => {
    const [path = "", search] = target.split("?");
    const response = await lane({
      method: "GET",
      path,
      query: new URLSearchParams(search),
      headers: new Headers(headers),
      info: { kind: "non-resource", method: "GET", path },
      caller,
      signal: new AbortController().signal,
      readBody: () => Promise.resolve(undefined),
    });
    return { status: response.status, body: await response.text(), headers: response.headers };
  };
  return { clock, kept, cloud, ask };
}

Deno.test("the discovery lane keeps what passes and gives it link-down, marked", async () => {
  const { cloud, ask } = setUp();
  const online = await ask("/version");
  assert.deepEqual([online.status, online.body, online.headers.get("age")], [200, "1", null]);
  cloud.isUp = false;
  const offline = await ask("/version");
  assert.deepEqual([offline.status, offline.body, offline.headers.get("age")], [200, "1", "1"]);
  assert.equal((await ask("/api")).status, 504);
});

Deno.test("the discovery lane knows a document whatever the query says", async () => {
  const { cloud, ask } = setUp();
  await ask("/api?timeout=32s");
  cloud.isUp = false;
  for (const target of ["/api", "/api?timeout=5s", "/api?hash=X"]) {
    assert.equal((await ask(target)).status, 200, target);
  }
});

Deno.test("the discovery lane does not keep what is no document", async () => {
  const { cloud, ask } = setUp();
  cloud.status = 403;
  assert.equal((await ask("/version")).status, 403);
  cloud.isUp = false;
  assert.equal((await ask("/version")).status, 504);
});

Deno.test("the discovery lane asks for a document that is kept by its ETag alone", async () => {
  const { cloud, ask } = setUp();
  cloud.headers.etag = '"A"';
  await ask("/api");
  const again = await ask("/api");
  assert.deepEqual(cloud.seen, ["/api  ", '/api  "A"']);
  // The client has nothing yet: it gets the document.
  assert.deepEqual([again.status, again.body], [200, "1"]);
  cloud.headers.etag = '"B"';
  cloud.body = "2";
  assert.equal((await ask("/api")).body, "2");
  cloud.isUp = false;
  assert.equal((await ask("/api")).body, "2");
});

Deno.test.each([{ isUp: true }, { isUp: false }])(
  "the discovery lane says 304 to who has the document when the link is up: $isUp",
  async ({ isUp }) => {
    const { cloud, ask } = setUp();
    cloud.headers.etag = '"A"';
    await ask("/api");
    cloud.isUp = isUp;
    for (const tag of ['"A"', 'W/"A"', '"X", "A"', "*"]) {
      const { status, body, headers } = await ask("/api", { "if-none-match": tag });
      assert.deepEqual([status, body, headers.get("etag")], [304, "", '"A"'], tag);
    }
    const other = await ask("/api", { "if-none-match": '"X"' });
    assert.deepEqual([other.status, other.body], [200, "1"]);
  },
);

Deno.test("the discovery lane fetches what a client has but the node has not", async () => {
  const { cloud, ask } = setUp();
  cloud.headers.etag = '"A"';
  assert.equal((await ask("/api", { "if-none-match": '"A"' })).status, 304);
  assert.deepEqual(cloud.seen, ["/api  "], "the whole document was asked for");
  cloud.isUp = false;
  assert.equal((await ask("/api")).body, "1");
});

Deno.test("the discovery lane chooses among what is kept by Accept", async () => {
  const { cloud, ask } = setUp();
  await ask("/apis", { accept: "application/json" });
  cloud.headers = { "content-type": AGGREGATED };
  cloud.body = "aggregated";
  await ask("/apis", { accept: AGGREGATED });
  cloud.isUp = false;
  const body = async (accept: string) => (await ask("/apis", { accept })).body;
  assert.equal(await body("application/json, */*"), "1");
  assert.equal(await body(`${AGGREGATED},application/json`), "aggregated");
  assert.equal((await ask("/apis", { accept: "text/plain" })).status, 504);
});

Deno.test("the discovery lane knows JSON that the cloud calls text", async () => {
  const { cloud, ask } = setUp();
  cloud.headers = { "content-type": "text/plain; charset=utf-8" };
  await ask("/openapi/v3", { accept: "application/json, */*;q=0.1" });
  await ask("/openapi/v3/api", { accept: "application/json" });
  cloud.isUp = false;
  assert.equal(
    (await ask("/openapi/v3/api", { accept: "application/json, image/png" })).status,
    200,
  );
});

Deno.test("the discovery lane lets nobody keep for a year what is not what was asked for", async () => {
  const { cloud, ask } = setUp();
  cloud.headers = {
    "content-type": "application/json",
    etag: '"A"',
    "cache-control": "public, immutable",
  };
  await ask("/openapi/v3/api/v1?hash=A");
  cloud.isUp = false;
  const caching = async (target: string) => (await ask(target)).headers.get("cache-control");
  assert.equal(await caching("/openapi/v3/api/v1?hash=A"), "public, immutable");
  assert.equal(await caching("/openapi/v3/api/v1?hash=B"), "no-cache, private");
  assert.equal(await caching("/openapi/v3/api/v1"), "no-cache, private");
});

Deno.test("the discovery lane tells a stranger nothing link-down, and one it saw accepted all", async () => {
  const { cloud, ask } = setUp();
  await ask("/version");
  cloud.isUp = false;
  assert.equal((await ask("/version", {}, POD)).status, 504);
  cloud.isUp = true;
  assert.equal((await ask("/api", {}, POD)).status, 200);
  cloud.isUp = false;
  assert.equal((await ask("/version", {}, POD)).status, 200);
});

Deno.test("the discovery lane keeps a document under the spelling that clients use, and no other", async () => {
  const { kept, ask } = setUp();
  for (const path of ["/apis", "/%61pis", "/api%73", "//apis", "/apis/a b"]) await ask(path);
  assert.deepEqual(kept.keys("discovery\n"), ["discovery\n/apis\n*/*"]);
});

Deno.test("the discovery lane lets no pod fill the store with Accepts, nor keep the node's own out", async () => {
  const { kept, ask } = setUp();
  for (let i = 0; i < 20; i++) await ask("/apis", { accept: `application/json;a=${i}` }, POD);
  assert.equal(kept.keys("discovery\n").length, 6);
  await ask("/apis", { accept: AGGREGATED });
  assert.equal(kept.keys("discovery\n").length, 7);
});
