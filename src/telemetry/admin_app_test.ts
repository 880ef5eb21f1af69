import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Gauge, Registry } from "prom-client";
import { StubModule } from "../../tests/testing/stub_module.ts";
import { createAdminApp } from "./admin_app.ts";
import { moduleLogger } from "./logger.ts";

function app(...modules: StubModule[]) {
  const registry = new Registry();
  new Gauge({ name: "edge_agent_test_total", help: "x", registers: [registry] }).set(7);
  return createAdminApp({
    modules: () => modules,
    registry,
    about: () => ({ version: "1.2.3", hostname: "edge-1" }),
    hostNames: ["edge-1", "Admin.Example"],
    logger: moduleLogger("admin"),
  });
}

const up = () => new StubModule("proxy", { status: { link: "up", token: "s3cret" } });
const down = () => new StubModule("dns", { reason: "no answer from any upstream" });

Deno.test("/livez answers 200 whatever the modules say", async () => {
  const response = await app(down()).request("/livez");
  assert.equal(response.status, 200);
  assert.equal(await response.text(), "ok\n");
});

Deno.test.each([
  { name: "ok", modules: [up()], path: "/readyz", status: 200, body: "ok\n" },
  {
    name: "each module when asked",
    modules: [up()],
    path: "/readyz?verbose",
    status: 200,
    body: "[+]proxy ok\nreadyz check passed\n",
  },
  {
    name: "each module when one can't do its job",
    modules: [up(), down()],
    path: "/readyz",
    status: 503,
    body: "[+]proxy ok\n[-]dns failed: no answer from any upstream\nreadyz check failed\n",
  },
])("/readyz says $name", async ({ modules, path, status, body }) => {
  const response = await app(...modules).request(path);
  assert.equal(await response.text(), body);
  assert.equal(response.status, status);
});

Deno.test("/readyz counts a module whose check throws as not ready", async () => {
  const broken = up();
  broken.notReady = () => {
    throw new Error("bug");
  };
  const response = await app(broken).request("/readyz");
  assert.equal(response.status, 503);
  assert.match(await response.text(), /\[-\]proxy failed: its check failed: bug/);
});

Deno.test("/metrics gives the registry in Prometheus text", async () => {
  const response = await app().request("/metrics");
  assert.match(response.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
  assert.match(await response.text(), /^edge_agent_test_total 7$/m);
});

Deno.test("/status gives every module's state and masks secrets", async () => {
  const response = await app(up(), down()).request("/status");
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), {
    ready: false,
    agent: { version: "1.2.3", hostname: "edge-1" },
    modules: [
      { name: "proxy", ready: true, status: { link: "up", token: "***" } },
      { name: "dns", ready: false, reason: "no answer from any upstream", status: {} },
    ],
  });
});

Deno.test("/status shows the others when one module's status throws", async () => {
  const broken = down();
  broken.status = () => {
    throw new Error("bug");
  };
  const { modules } = await (await app(broken, up()).request("/status")).json();
  assert.deepEqual(modules[0].status, { error: "bug" });
  assert.equal(modules[1].status.link, "up");
});

Deno.test("/ has a policy that allows just the page's own style and script", async () => {
  const response = await app(up()).request("/");
  assert.match(response.headers.get("content-type") ?? "", /^text\/html/);
  const policy = response.headers.get("content-security-policy") ?? "";
  const html = await response.text();
  for (const tag of ["style", "script"]) {
    const inline = [...html.matchAll(new RegExp(`<${tag}>([^]*?)</${tag}>`, "g"))];
    assert.equal(inline.length, 1);
    const hash = createHash("sha256").update(inline[0]?.[1] ?? "").digest("base64");
    assert.ok(policy.includes(`${tag}-src 'sha256-${hash}'`), policy);
  }
  assert.ok(policy.includes("default-src 'none'") && !policy.includes("unsafe"));
  assert.doesNotMatch(html, /\b(?:src|href)="(?:https?:)?\/\/|\son\w+=|\sstyle=/);
});

Deno.test("/ has a script that compiles and never makes markup from data", async () => {
  const html = await (await app().request("/")).text();
  const script = /<script>([^]*?)<\/script>/.exec(html)?.[1] ?? "";
  new Function(script);
  assert.doesNotMatch(script, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(/);
});

Deno.test.each([
  { url: "http://127.0.0.1:51004/status", want: 200 },
  { url: "http://[::1]:51004/status", want: 200 },
  { url: "http://10.0.0.7/status", want: 200 },
  { url: "http://localhost:51004/status", want: 200 },
  { url: "http://edge-1:51004/status", want: 200 },
  { url: "http://admin.example/status", want: 200 },
  { url: "http://evil.example:51004/status", want: 403 },
  { url: "http://127.0.0.1.evil.example/", want: 403 },
  { url: "http://localhost.evil.example/metrics", want: 403 },
])("createAdminApp() answers $want to $url", async ({ url, want }) => {
  assert.equal((await app(up()).request(url)).status, want);
});

Deno.test("createAdminApp() refuses to change anything and knows no other path", async () => {
  const response = await app().request("/livez", { method: "POST" });
  assert.equal(response.status, 405);
  assert.equal(response.headers.get("allow"), "GET, HEAD");
  assert.equal((await app().request("/etc/passwd")).status, 404);
  assert.equal((await app().request("/livez", { method: "HEAD" })).status, 200);
});

Deno.test("createAdminApp() tells no cause and no stack when it fails", async () => {
  const broken = app();
  const failing = createAdminApp({
    modules: () => [],
    registry: {
      contentType: "text/plain",
      metrics: () => Promise.reject(new Error("inner detail")),
    } as unknown as Registry,
    about: () => ({}),
    hostNames: [],
    logger: moduleLogger("admin"),
  });
  const response = await failing.request("/metrics");
  assert.equal(response.status, 500);
  assert.equal(await response.text(), "internal error, see the log\n");
  for (const path of ["/livez", "/nowhere", "/"]) {
    const { headers } = await broken.request(path);
    assert.equal(headers.get("x-content-type-options"), "nosniff");
    assert.equal(headers.get("cache-control"), "no-store");
  }
});
