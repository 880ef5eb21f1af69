import assert from "node:assert/strict";
import { configureSync, resetSync } from "@logtape/logtape";
import { redact } from "../../src/telemetry/redact.ts";
import { type FakeSite, NODE_TOKEN, startFakeSite } from "../testing/fake_site.ts";
import { MAX_SCOPES_PER_BEARER } from "../../src/proxy/hub/scope_share.ts";

const PODS = "/api/v1/namespaces/default/pods";
const SECRETS = "/api/v1/namespaces/default/secrets";

const bearer = (token: string) => ({ as: null, headers: { authorization: `Bearer ${token}` } });

async function statusOf(response: Response): Promise<number> {
  await response.body?.cancel();
  return response.status;
}

/** A connection to the TLS listener that speaks HTTP/1.1 byte for byte. */
function connect(proxy: FakeSite["proxy"]): Promise<Deno.TlsConn> {
  const { hostname, port } = new URL(proxy.url);
  const alpnProtocols = ["http/1.1"];
  return Deno.connectTls({ hostname, port: Number(port), caCerts: [proxy.ca], alpnProtocols });
}

/** Sends a text as it is, and returns all that comes back. */
async function send(proxy: FakeSite["proxy"], text: string): Promise<string> {
  using connection = await connect(proxy);
  await connection.write(new TextEncoder().encode(text));
  return await new Response(connection.readable).text().catch(() => "");
}

Deno.test("S14 what is sent on is what was judged, however the target is written", async (t) => {
  await using site = await startFakeSite();
  const { proxy, cloud } = site;
  cloud.create("secrets", { metadata: { name: "s", namespace: "default" } });
  const own = `authorization: Bearer ${await proxy.token("node")}`;
  const status = async (target: string) => {
    const lines = [`GET ${target} HTTP/1.1`, "host: a", own, "connection: close", "", ""];
    return Number((await send(proxy, lines.join("\r\n"))).split(" ")[1]);
  };
  const refused = [
    "/version/\\..\\api\\v1\\namespaces\\default\\secrets\\s",
    "/version/../api/v1/namespaces/default/secrets/s",
    "/version/%2e%2e/api/v1/namespaces/default/secrets/s",
    "/version/%2E./api/v1/namespaces/default/secrets/s",
    "/version%2f..%2fapi/v1/namespaces/default/secrets/s",
    `${SECRETS}/s#/log`,
  ];
  for (const target of refused) {
    await t.step(target, async () => assert.equal(await status(target), 400));
  }
  assert.deepEqual(cloud.audit.entries.filter(({ resource }) => resource === "secrets"), []);
  await t.step("an absolute target is one of this server's paths", async () => {
    assert.equal(await status(`http://elsewhere${SECRETS}/s`), 200);
  });
  await t.step("an encoded slash parts segments, as in the cloud", async () => {
    assert.equal(await status("/api%2Fv1/namespaces/default/secrets/none"), 404);
  });
});

Deno.test("S14 nothing can be smuggled behind a request", async (t) => {
  await using site = await startFakeSite();
  const { proxy, cloud } = site;
  const own = `Host: a\r\nAuthorization: Bearer ${await proxy.token("node")}`;
  const smuggled = `GET ${SECRETS} HTTP/1.1\r\n${own}\r\nConnection: close\r\n\r\n`;
  const heads: Record<string, string> = {
    "two framings": `Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    "two lengths": `Content-Length: 0\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
    "a space before the colon": `Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    "a length that is none": `Content-Length: +0\r\n\r\n${smuggled}`,
    "an upgrade with two lengths":
      `Connection: Upgrade\r\nUpgrade: x\r\nContent-Length: 0\r\nContent-Length: 9\r\n\r\n${smuggled}`,
  };
  for (const [name, head] of Object.entries(heads)) {
    await t.step(name, async () => {
      assert.match(
        await send(proxy, `POST ${PODS} HTTP/1.1\r\n${own}\r\n${head}`),
        /^HTTP\/1.1 400 /,
      );
    });
  }
  assert.deepEqual(cloud.audit.entries.filter(({ resource }) => resource === "secrets"), []);
});

Deno.test("S20 clients that never finish their request hurt nobody", async () => {
  await using site = await startFakeSite();
  const { proxy } = site;
  const openings = ["", "P", "PRI * HTTP/2.0\r\n", "POST / HTTP/1.1\r\na: b\r\n", "GET /version"];
  const open: Deno.TlsConn[] = [];
  try {
    for (let i = 0; i < 50; i++) {
      const connection = await connect(proxy);
      open.push(connection);
      await connection.write(new TextEncoder().encode(openings[i % openings.length]));
    }
    assert.equal(await statusOf(await proxy.fetch("/version")), 200);
  } finally {
    for (const connection of open) connection.close();
  }
});

Deno.test("a head without an end is refused, and nothing of it is sent on", async () => {
  await using site = await startFakeSite();
  const before = site.cloud.audit.entries.length;
  const answer = await send(
    site.proxy,
    `GET /version HTTP/1.1\r\nhost: a\r\nx: ${"y".repeat(2 * 1024 * 1024)}\r\n\r\n`,
  );
  assert.doesNotMatch(answer, /^HTTP\/1.1 2/);
  assert.equal(site.cloud.audit.entries.length, before);
});

Deno.test("what a bearer may have mirrored is bounded, and nothing of others goes for it", async () => {
  await using site = await startFakeSite({ cloud: { tokens: { "pod-token": "pod" } } });
  const { proxy, cloud, link } = site;
  cloud.create("pods", { metadata: { name: "a", namespace: "default" } });
  assert.equal(await statusOf(await proxy.fetch(`${PODS}?resourceVersion=0`)), 200);
  assert.equal(await statusOf(await proxy.fetch(`${PODS}/a`, bearer("pod-token"))), 200);
  for (let i = 0; i < MAX_SCOPES_PER_BEARER + 40; i++) {
    const path = `${PODS}?resourceVersion=0&labelSelector=${encodeURIComponent(`!x${i}`)}`;
    assert.equal(await statusOf(await proxy.fetch(path, bearer("pod-token"))), 200);
  }
  const { scopes } = proxy.proxy.status() as { scopes: { caller: string }[] };
  const own = scopes.filter(({ caller }) => caller.startsWith("bearer:"));
  assert.equal(own.length, MAX_SCOPES_PER_BEARER);
  link.set({ state: "refused" });
  await statusOf(await proxy.fetch("/version"));
  assert.equal(await statusOf(await proxy.fetch(`${PODS}?resourceVersion=0`)), 200);
});

Deno.test("requests under way are bounded for strangers together, and for nobody else", async () => {
  await using site = await startFakeSite({ cloud: { tokens: { "pod-token": "pod" } } });
  const { proxy, link } = site;
  assert.equal(await statusOf(await proxy.fetch(`${PODS}/a`, bearer("pod-token"))), 404);
  // One after the other they are as many as one likes: each ends.
  for (let i = 0; i < 120; i++) {
    assert.equal(await statusOf(await proxy.fetch(PODS, bearer(`made-up-${i}`))), 401);
  }
  link.set({ state: "black-hole" });
  const stop = new AbortController();
  const { signal } = stop;
  const asked = Array.from(
    { length: 140 },
    (_, i) => proxy.fetch(PODS, { ...bearer(`again-${i}`), signal }).then(statusOf, () => 0),
  );
  const codes = await Promise.all(asked);
  stop.abort();
  assert.ok(codes.filter((code) => code === 429).length >= 40, String(codes));
  assert.ok(codes.filter((code) => code === 504).length <= 100, String(codes));
});

Deno.test("no credential is in a log line, the status or an error, however a request fails", async () => {
  const lines: unknown[] = [];
  configureSync({
    reset: true,
    sinks: { all: (record) => void lines.push([record.rawMessage, record.properties]) },
    loggers: [
      { category: ["edge-agent"], sinks: ["all"], lowestLevel: "trace" },
      { category: ["logtape"], lowestLevel: null },
    ],
  });
  try {
    const credential = "s3cret-of-somebody-0123456789";
    const protocol = `base64url.bearer.authorization.k8s.io.${btoa(credential).replace(/=+$/, "")}`;
    await using site = await startFakeSite();
    const { proxy, link } = site;
    const local = await proxy.token("node");
    const texts: string[] = [];
    const everything = async () => {
      const all: Record<string, string>[] = [
        { authorization: `Bearer ${credential}` },
        { authorization: `Basic ${credential}` },
        { authorization: `Bearer ${local}` },
        { "sec-websocket-protocol": `${protocol}, v5.channel.k8s.io` },
      ];
      for (const headers of all) {
        for (
          const target of [
            PODS,
            `${PODS}?watch=true&token=${credential}`,
            "/version",
            "/%zz",
            "/a/..",
          ]
        ) {
          for (const method of ["GET", "POST"]) {
            const init = { as: null, method, headers, ...(method === "POST" && { body: "{" }) };
            const response = await proxy.fetch(target, init);
            if (response.status >= 400) texts.push(await response.text());
            else await response.body?.cancel();
          }
        }
      }
    };
    await everything();
    link.set({ state: "refused" });
    await everything();
    const told = JSON.stringify(redact([lines, texts, proxy.proxy.status()]));
    assert.match(told, /the link is lost/);
    for (const secret of [credential, btoa(credential), local, NODE_TOKEN]) {
      assert.ok(!told.includes(secret.replace(/=+$/, "")), secret);
    }
  } finally {
    resetSync();
  }
});

Deno.test("every file of the agent's is its owner's alone, but for certificates, which are public", async () => {
  const stateDir = await Deno.makeTempDir({ prefix: "edge-agent-modes-" });
  const umask = Deno.umask(0);
  try {
    await using site = await startFakeSite({ stateDir, cloud: { tokens: { "pod-token": "pod" } } });
    site.cloud.create("secrets", { metadata: { name: "s", namespace: "default" } });
    await statusOf(await site.proxy.fetch(`${SECRETS}/s`, bearer("pod-token")));
    // A file that is set aside has in it what the state had.
    await site.restart(async () => {
      for (const name of [".db", ".db-wal", ".db-shm"]) {
        await Deno.remove(`${stateDir}/state${name}`).catch(() => {});
      }
      await Deno.writeTextFile(`${stateDir}/state.db`, "no database at all".repeat(1_000));
    });
    await statusOf(await site.proxy.fetch(SECRETS));
    const modes = new Map<string, string>();
    const walk = async (path: string) => {
      modes.set(path, ((await Deno.lstat(stateDir + path)).mode! & 0o777).toString(8));
      if (!(await Deno.lstat(stateDir + path)).isDirectory) return;
      for await (const { name } of Deno.readDir(stateDir + path)) await walk(`${path}/${name}`);
    };
    await walk("");
    for (
      const part of [
        "/state.db",
        "/state.key",
        "/tokens/node",
        "/pki/ca.key",
        ".kubeconfig",
        ".damaged-",
      ]
    ) {
      assert.ok([...modes.keys()].some((path) => path.includes(part)), `there is ${part}`);
    }
    assert.equal(modes.get(""), "700");
    const open = [...modes].filter(([path, mode]) =>
      !/^[67]00$/.test(mode) && !path.endsWith(".crt")
    );
    assert.deepEqual(open, []);
  } finally {
    Deno.umask(umask);
    await Deno.remove(stateDir, { recursive: true });
  }
});

Deno.test("the status names objects and callers, and shows none of what they hold", async () => {
  await using site = await startFakeSite();
  const { proxy, cloud } = site;
  cloud.create("secrets", {
    metadata: { name: "db-password", namespace: "default" },
    data: { k: btoa("s3cret") },
  });
  const one = `${SECRETS}?resourceVersion=0&fieldSelector=metadata.name%3Ddb-password`;
  assert.match(await (await proxy.fetch(one)).text(), new RegExp(btoa("s3cret")));
  const status = JSON.stringify(redact(proxy.proxy.status()));
  assert.match(status, /metadata\.name=db-password/);
  assert.match(status, /identity:node/);
  assert.ok(!status.includes(btoa("s3cret")));
});

Deno.test("the plain listener serves no page of a browser, by whatever name or protocol it comes", async () => {
  const plain = { listen: "127.0.0.1:0", identity: "node" };
  await using site = await startFakeSite({ section: { plain } });
  const { plainUrl } = site.proxy.proxy.status() as { plainUrl: string };
  const port = Number(new URL(plainUrl).port);
  const status = async (lines: string[]) => {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port });
    const text = [`GET ${SECRETS} HTTP/1.1`, ...lines, "", ""].join("\r\n");
    await connection.write(new TextEncoder().encode(text));
    return Number((await new Response(connection.readable).text()).split(" ")[1]);
  };
  const close = "Connection: close";
  assert.equal(await status(["Host: 127.0.0.1", close]), 200);
  const before = site.cloud.audit.entries.length;
  assert.equal(await status(["Host: rebound.example.com", close]), 403);
  assert.equal(await status(["Host: 127.0.0.1", "Origin: https://example.com", close]), 403);
  const webSocket = [
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Connection: Upgrade, close",
  ];
  assert.equal(await status(["Host: 127.0.0.1", "Origin: null", ...webSocket]), 403);
  assert.equal(site.cloud.audit.entries.length, before);
});
