import assert from "node:assert/strict";
import { startFakeSite } from "../testing/fake_site.ts";
import { encodeObject } from "../testing/protobuf.ts";
import type { TestProxy } from "../testing/test_proxy.ts";

const TOKEN = "/api/v1/namespaces/default/serviceaccounts/web/token";
const REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews";
const JSON_TYPE = "application/json";
const PROTOBUF_TYPE = "application/vnd.kubernetes.protobuf";

/** A cloud that gives a new token at each request, in the encoding that is asked for first. */
function cloudWithTokens() {
  let count = 0;
  const cloud = {
    /** Status with which it refuses instead. */
    refuse: undefined as number | undefined,
    options: {
      tokens: { "pod-token": "pod" },
      routes: (app: import("hono").Hono) => {
        app.post("/api/v1/namespaces/:namespace/serviceaccounts/:name/token", (c) => {
          count++;
          if (cloud.refuse !== undefined) {
            return c.json({ kind: "Status", code: cloud.refuse }, cloud.refuse as 403);
          }
          const status = { token: `token-${count}`, expirationTimestamp: "2020-01-01T00:00:00Z" };
          if (c.req.header("accept")?.startsWith(PROTOBUF_TYPE)) {
            const body = encodeObject("authentication.k8s.io/v1", "TokenRequest", {
              3: { 1: status.token },
            });
            return c.body(body as Uint8Array<ArrayBuffer>, 201, { "content-type": PROTOBUF_TYPE });
          }
          return c.json({ kind: "TokenRequest", status }, 201);
        });
        app.post(REVIEWS, (c) => {
          count++;
          return c.json({ kind: "TokenReview", status: { authenticated: true, count } }, 201);
        });
      },
    },
  };
  return cloud;
}

const spec = (uid = "u1") => ({
  audiences: ["a"],
  expirationSeconds: 3607,
  boundObjectRef: { kind: "Pod", apiVersion: "v1", name: "web", uid },
});

const ask = (
  proxy: TestProxy,
  uid?: string,
  { path = TOKEN, ...init }: RequestInit & { as?: null; path?: string } = {},
) =>
  proxy.fetch(path, {
    method: "POST",
    body: JSON.stringify({ spec: spec(uid) }),
    ...init,
    headers: { "content-type": JSON_TYPE, ...init.headers },
  });

const tokenOf = async (response: Response) => (await response.json()).status.token;

async function statusOf(response: Response): Promise<number> {
  await response.body?.cancel();
  return response.status;
}

Deno.test("S15 a TokenRequest link-down is given the last real token for that pod, or 504", async () => {
  const cloud = cloudWithTokens();
  await using site = await startFakeSite({ cloud: cloud.options });
  assert.equal(await tokenOf(await ask(site.proxy)), "token-1");
  assert.equal(await tokenOf(await ask(site.proxy)), "token-2");
  site.link.set({ state: "refused" });
  const proxy = await site.restart();
  const answer = await ask(proxy);
  assert.equal(answer.status, 201);
  assert.match(answer.headers.get("warning") ?? "", /^299 edge-agent/);
  assert.ok(answer.headers.has("age"));
  // Expired for years, and given all the same: the kubelet takes it, and the pod starts.
  assert.deepEqual((await answer.json()).status, {
    token: "token-2",
    expirationTimestamp: "2020-01-01T00:00:00Z",
  });
  for (
    const other of [
      ask(proxy, "u2"),
      ask(proxy, "u1", { as: null }),
      ask(proxy, "u1", { as: null, headers: { authorization: "Bearer pod-token" } }),
      ask(proxy, "u1", { headers: { "impersonate-user": "x" } }),
      ask(proxy, "u1", { path: TOKEN.replace("/web/", "/db/") }),
      ask(proxy, "u1", { path: TOKEN.replace("/default/", "/kube-system/") }),
      ask(proxy, "u1", { path: `${TOKEN}?dryRun=All` }),
    ]
  ) {
    assert.equal(await statusOf(await other), 504);
  }
  const account = await proxy.fetch("/api/v1/namespaces/default/serviceaccounts", {
    method: "POST",
    headers: { "content-type": JSON_TYPE },
    body: JSON.stringify({ metadata: { name: "web" }, spec: spec() }),
  });
  assert.equal(await statusOf(account), 503);
});

Deno.test("S15 a kubelet asks in protobuf and is answered in it", async () => {
  const cloud = cloudWithTokens();
  await using site = await startFakeSite({ cloud: cloud.options });
  const body = encodeObject("authentication.k8s.io/v1", "TokenRequest", {
    1: { 1: "" },
    2: { 1: ["a"], 3: { 1: "Pod", 2: "v1", 3: "web", 4: "u1" }, 4: 3607 },
    3: { 1: "" },
  }) as Uint8Array<ArrayBuffer>;
  const accept = `${PROTOBUF_TYPE},${JSON_TYPE}`;
  const headers = { "content-type": PROTOBUF_TYPE, accept };
  const online = await (await ask(site.proxy, "", { body, headers })).bytes();
  // The same in JSON is another answer to the same question.
  assert.equal(await tokenOf(await ask(site.proxy)), "token-2");
  site.link.set({ state: "refused" });
  const offline = await ask(site.proxy, "", { body, headers });
  assert.equal(offline.headers.get("content-type"), PROTOBUF_TYPE);
  assert.deepEqual(await offline.bytes(), online);
  assert.equal(await tokenOf(await ask(site.proxy)), "token-2");
});

Deno.test.each([
  { status: 403, want: 201, name: "for a moment keeps the token" },
  { status: 404, want: 504, name: "as the pod is gone forgets it" },
  { status: 409, want: 504, name: "as it is another pod forgets it" },
])("S15 a refusal with $status $name", async ({ status, want }) => {
  const cloud = cloudWithTokens();
  await using site = await startFakeSite({ cloud: cloud.options });
  await tokenOf(await ask(site.proxy));
  cloud.refuse = status;
  assert.equal(await statusOf(await ask(site.proxy)), status);
  site.link.set({ state: "refused" });
  assert.equal(await statusOf(await ask(site.proxy)), want);
});

Deno.test.each(["cut", "truncate"] as const)(
  "S15 a token that is %s on its way leaves the one from before",
  async (kind) => {
    const cloud = cloudWithTokens();
    await using site = await startFakeSite({ cloud: cloud.options });
    await tokenOf(await ask(site.proxy));
    const isToken = ({ url }: { url: string }) => url === TOKEN;
    site.cloud.faults.next({ kind, afterBytes: 20 }, isToken, Infinity);
    assert.equal(await tokenOf(await ask(site.proxy)), "token-1");
  },
);

Deno.test("S15 the key of a kept token tells nothing of it", async () => {
  const cloud = cloudWithTokens();
  await using site = await startFakeSite({ cloud: cloud.options });
  await tokenOf(await ask(site.proxy));
  await site.proxy.stop();
  const database = await Deno.readFile(`${site.proxy.stateDir}/state.db`);
  const text = new TextDecoder("latin1").decode(database);
  assert.match(text, /token\nidentity:node\n[0-9a-f]{64}\napplication\/json/);
});

Deno.test("a review link-down is answered for a while with the cloud's last word on it", async () => {
  const cloud = cloudWithTokens();
  await using site = await startFakeSite({ cloud: cloud.options });
  const review = (token: string, init: { as?: null } = {}) =>
    site.proxy.fetch(REVIEWS, {
      method: "POST",
      headers: { "content-type": JSON_TYPE },
      body: JSON.stringify({ spec: { token } }),
      ...init,
    });
  assert.equal((await (await review("t1")).json()).status.count, 1);
  // Always asked while it can be.
  assert.equal((await (await review("t1")).json()).status.count, 2);
  site.link.set({ state: "refused" });
  const kept = await review("t1");
  assert.equal(kept.status, 201);
  assert.ok(kept.headers.has("warning") && kept.headers.has("age"));
  assert.equal((await kept.json()).status.count, 2);
  assert.equal(await statusOf(await review("t2")), 504);
  assert.equal(await statusOf(await review("t1", { as: null })), 504);
});

Deno.test("a review is not kept when reviewGrace is 0", async () => {
  const { options } = cloudWithTokens();
  await using site = await startFakeSite({ cloud: options, section: { reviewGrace: "0s" } });
  const review = () =>
    site.proxy.fetch(REVIEWS, { method: "POST", body: JSON.stringify({ spec: { token: "t" } }) });
  assert.equal(await statusOf(await review()), 201);
  site.link.set({ state: "refused" });
  assert.equal(await statusOf(await review()), 504);
});
