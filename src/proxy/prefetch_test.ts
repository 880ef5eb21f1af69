import assert from "node:assert/strict";
import { text } from "../../tests/testing/arbitraries.ts";
import { FakeClock } from "../../tests/testing/fake_clock.ts";
import { MemoryStore } from "../../tests/testing/memory_store.ts";
import type { ProxyConfig } from "./config.ts";
import { discoveryKey, KeptAnswers } from "./store/kept.ts";
import { prefetch } from "./prefetch.ts";
import { UnreachableError } from "./upstream/upstream.ts";

const HOUR_MS = 3_600_000;
const PLAIN = "application/json";

/** Documents of a cloud by path and query. */
function documents(): Record<string, unknown> {
  return {
    "/version": { gitVersion: "v1.35.0" },
    "/api": { versions: ["v1"] },
    "/apis": {
      groups: [
        { versions: [{ groupVersion: "apps/v1" }] },
        { versions: [{ groupVersion: "metrics.k8s.io/v1beta1" }] },
      ],
    },
    "/api/v1": { resources: [] },
    "/apis/apps/v1": { resources: [] },
    "/apis/metrics.k8s.io/v1beta1": { resources: [] },
    "/openapi/v3": {
      paths: {
        "api/v1": { serverRelativeURL: "/openapi/v3/api/v1?hash=A1" },
        "apis/apps/v1": { serverRelativeURL: "/openapi/v3/apis/apps/v1?hash=B1" },
        evil: { serverRelativeURL: "/api/v1/secrets" },
      },
    },
    "/openapi/v3/api/v1?hash=A1": { doc: "A1" },
    "/openapi/v3/api/v1?hash=A2": { doc: "A2" },
    "/openapi/v3/apis/apps/v1?hash=B1": { doc: "B1" },
  };
}

function setUp(extent: ProxyConfig["prefetch"]) {
  const clock = new FakeClock();
  const kept = new KeptAnswers(new MemoryStore().asStateStore(), clock);
  const cloud = documents();
  const requests: string[] = [];
  const link = {
    isOpen: true,
    decided: () => Promise.resolve(),
    pause: () => Promise.resolve(),
  };
  const fetched: number[] = [];
  const failed: string[] = [];
  const stop = new AbortController();
  const ended = prefetch({
    extent,
    caller: { kind: "identity", name: "kubelet", key: "identity:kubelet" },
    forwarder: {
      read({ path, query, headers }) {
        const target = query.size > 0 ? `${path}?${query}` : path;
        const aggregated = headers.get("accept")?.includes("APIGroupDiscoveryList");
        requests.push(target + (aggregated ? " aggregated" : ""));
        if (!link.isOpen) return Promise.reject(new UnreachableError("down", { sent: false }));
        const found = cloud[target];
        return Promise.resolve(
          found === undefined
            ? new Response("away", { status: 503 })
            : new Response(JSON.stringify(found)),
        );
      },
    },
    kept,
    link,
    clock,
    fetched: (count) => fetched.push(count),
    failed: (message) => failed.push(message),
    anew: () => stop.signal,
  }, stop.signal);
  const body = (path: string) => {
    const answer = kept.get(discoveryKey(path, PLAIN));
    return answer && JSON.parse(text(answer.body));
  };
  return {
    clock,
    cloud,
    requests,
    link,
    fetched,
    failed,
    body,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await ended;
      assert.equal(clock.pending, 0);
    },
  };
}

Deno.test("prefetch() fetches nothing when it is off", async () => {
  await using run = setUp("off");
  await run.clock.advance(HOUR_MS);
  assert.deepEqual(run.requests, []);
});

Deno.test("prefetch() fetches discovery as new and as older clients ask for it", async () => {
  await using run = setUp("discovery");
  await run.clock.advance(0);
  assert.deepEqual(run.requests, [
    "/version",
    "/api aggregated",
    "/apis aggregated",
    "/api",
    "/apis",
    "/api/v1",
    "/apis/apps/v1",
    "/apis/metrics.k8s.io/v1beta1",
  ]);
  assert.deepEqual(run.fetched, [7]);
  assert.deepEqual(run.body("/apis/apps/v1"), { resources: [] });
});

Deno.test("prefetch() asks for the version alone every hour, and for everything after a day", async () => {
  await using run = setUp("discovery");
  await run.clock.advance(0);
  run.requests.length = 0;
  await run.clock.advance(HOUR_MS);
  assert.deepEqual(run.requests, ["/version"]);
  await run.clock.advance(22 * HOUR_MS);
  assert.equal(run.requests.length, 23);
  await run.clock.advance(HOUR_MS);
  assert.equal(run.requests.length, 24 + 7);
});

Deno.test("prefetch() fetches everything when the API server's version changed", async () => {
  await using run = setUp("discovery");
  await run.clock.advance(0);
  run.requests.length = 0;
  run.cloud["/version"] = { gitVersion: "v1.36.0" };
  await run.clock.advance(HOUR_MS);
  assert.equal(run.requests.length, 8);
  assert.deepEqual(run.body("/version"), { gitVersion: "v1.36.0" });
});

Deno.test("prefetch() fetches the other groups when one group's server is away", async () => {
  await using run = setUp("openapi");
  delete run.cloud["/apis/metrics.k8s.io/v1beta1"];
  delete run.cloud["/openapi/v3/api/v1?hash=A1"];
  await run.clock.advance(0);
  assert.deepEqual(run.failed, []);
  assert.notEqual(run.body("/apis/apps/v1"), undefined);
  assert.equal(run.body("/apis/metrics.k8s.io/v1beta1"), undefined);
  assert.deepEqual(run.body("/openapi/v3/apis/apps/v1"), { doc: "B1" });
  run.cloud["/apis/metrics.k8s.io/v1beta1"] = { resources: [] };
  await run.clock.advance(10 * 60_000);
  assert.notEqual(run.body("/apis/metrics.k8s.io/v1beta1"), undefined, "not in an hour only");
});

Deno.test("prefetch() tries again after a minute when the link goes down", async () => {
  await using run = setUp("discovery");
  run.link.isOpen = false;
  await run.clock.advance(0);
  assert.equal(run.failed.length, 1);
  run.link.isOpen = true;
  await run.clock.advance(59_999);
  assert.deepEqual(run.fetched, []);
  await run.clock.advance(1);
  assert.deepEqual(run.fetched, [7]);
});

Deno.test("prefetch() fetches OpenAPI documents when asked, but no path outside /openapi", async () => {
  await using run = setUp("openapi");
  await run.clock.advance(0);
  assert.deepEqual(run.requests.filter((path) => path.startsWith("/openapi")), [
    "/openapi/v3",
    "/openapi/v3/api/v1?hash=A1",
    "/openapi/v3/apis/apps/v1?hash=B1",
  ]);
  assert.ok(!run.requests.includes("/api/v1/secrets"));
  assert.deepEqual(run.body("/openapi/v3/api/v1"), { doc: "A1" });
});

Deno.test("prefetch() fetches an OpenAPI document again only when its hash changed, also back", async () => {
  await using run = setUp("openapi");
  await run.clock.advance(0);
  const index = run.cloud["/openapi/v3"] as {
    paths: Record<string, { serverRelativeURL: string }>;
  };
  for (const hash of ["A2", "A1"]) {
    index.paths["api/v1"] = { serverRelativeURL: `/openapi/v3/api/v1?hash=${hash}` };
    run.requests.length = 0;
    await run.clock.advance(25 * HOUR_MS);
    assert.deepEqual(run.requests.filter((path) => path.startsWith("/openapi/v3/")), [
      `/openapi/v3/api/v1?hash=${hash}`,
    ]);
    assert.deepEqual(run.body("/openapi/v3/api/v1"), { doc: hash });
  }
});
