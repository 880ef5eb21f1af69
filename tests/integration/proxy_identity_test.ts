import assert from "node:assert/strict";
import { type Clock, systemClock } from "../../src/kernel/clock.ts";
import { createCa } from "../../src/kube/pki.ts";
import { canListenWithNodeTls } from "../../src/platform/https_server.ts";
import { issueClientCert, NODE_NAME } from "../testing/client_certificates.ts";
import { type FakeSite, NODE_TOKEN, startFakeSite } from "../testing/fake_site.ts";
import { createTokenIssuer, type TokenIssuer } from "../testing/service_account_tokens.ts";

const SECRETS = "/api/v1/namespaces/default/secrets";
const READS = [SECRETS, `${SECRETS}/s`, `${SECRETS}?resourceVersion=0`];

/** Whether this runtime can ask for certificates. */
const ignore = !canListenWithNodeTls(Deno.version.deno);
const CLIENTS = await createCa("clients");

async function statusOf(response: Response): Promise<number> {
  await response.body?.cancel();
  return response.status;
}

function createSecret(site: FakeSite): void {
  site.cloud.create("secrets", {
    metadata: { name: "s", namespace: "default" },
    data: { k: "c2VjcmV0" },
  });
}

/** Cuts the link, and waits until the agent knows. */
async function cut(site: FakeSite): Promise<void> {
  site.link.set({ state: "refused" });
  await statusOf(await site.proxy.fetch("/version"));
}

/** Who the cloud was told asks for Secrets. */
function usersOf(site: FakeSite): string[] {
  return [
    ...new Set(
      site.cloud.audit.entries.filter(({ resource }) => resource === "secrets")
        .map(({ user }) => user),
    ),
  ];
}

type As = RequestInit & { as?: string | null; cert?: string; key?: string };

/** A site whose listener knows the node by its certificate. */
async function startCertifiedSite(): Promise<
  FakeSite & { ask(path: string, as?: As): Promise<number> }
> {
  const files = await Deno.makeTempDir({ prefix: "edge-agent-identity-" });
  const clientCA = `${files}/ca.crt`;
  const tokenFile = `${files}/cloud-token`;
  await Deno.writeTextFile(clientCA, CLIENTS.cert);
  await Deno.writeTextFile(tokenFile, NODE_TOKEN);
  const site = await startFakeSite({
    section: {
      clientCA,
      identities: [
        { name: "node", tokenFile, commonName: NODE_NAME },
        { name: "other", tokenFile },
      ],
    },
  });
  createSecret(site);
  return Object.assign(Object.create(site), {
    async ask(path: string, { as, cert, key, ...init }: As = {}) {
      const { proxy } = site;
      const headers = new Headers(init.headers);
      if (as) headers.set("authorization", `Bearer ${await proxy.token(as)}`);
      const pair = cert !== undefined && key !== undefined ? { cert, key } : {};
      using client = Deno.createHttpClient({ caCerts: [proxy.ca], ...pair });
      return await statusOf(await fetch(proxy.url + path, { ...init, headers, client }));
    },
    async [Symbol.asyncDispose]() {
      await site[Symbol.asyncDispose]();
      await Deno.remove(files, { recursive: true });
    },
  });
}

Deno.test({
  name:
    "S14 a client certificate is the identity that it names, online and offline, and no other is",
  ignore,
  async fn(t) {
    await using site = await startCertifiedSite();
    const good = await issueClientCert(CLIENTS);
    for (const path of READS) assert.equal(await site.ask(path, good), 200, path);
    assert.deepEqual(usersOf(site), [NODE_NAME]);
    await cut(site);
    const cases: { name: string; as: As; want: number }[] = [
      { name: "the node's", as: good, want: 200 },
      { name: "the node's, and a local token of its", as: { ...good, as: "node" }, want: 200 },
      { name: "the node's, and another identity's token", as: { ...good, as: "other" }, want: 504 },
      {
        name: "the node's, and a made-up token",
        as: { ...good, headers: { authorization: "Bearer junk" } },
        want: 504,
      },
      {
        name: "the node's, and a password",
        as: { ...good, headers: { authorization: "Basic YTpi" } },
        want: 504,
      },
      {
        name: "the node's, for somebody else",
        as: { ...good, headers: { "impersonate-user": "admin" } },
        want: 504,
      },
      {
        name: "another node's",
        as: await issueClientCert(CLIENTS, { subject: [{ CN: ["system:node:edge-2"] }] }),
        want: 504,
      },
      {
        name: "one that the node signed for itself",
        as: await issueClientCert(await createCa("clients")),
        want: 504,
      },
      {
        name: "an expired one",
        as: await issueClientCert(CLIENTS, { notAfter: new Date("2021-01-01") }),
        want: 504,
      },
      { name: "none", as: { headers: { "user-agent": "kubelet" } }, want: 504 },
    ];
    for (const { name, as, want } of cases) {
      await t.step(name, async () => {
        for (const path of READS) assert.equal(await site.ask(path, as), want, path);
      });
    }
  },
});

Deno.test({
  name: "S14 certificate and junk bearer is not the node in the cloud either",
  ignore,
  async fn() {
    await using site = await startCertifiedSite();
    const good = await issueClientCert(CLIENTS);
    const junk = { ...good, headers: { authorization: "Bearer junk" } };
    for (const path of READS) assert.equal(await site.ask(path, junk), 401, path);
    assert.ok(!usersOf(site).includes(NODE_NAME));
    assert.equal(
      await site.ask(SECRETS, { ...good, headers: { authorization: "Basic YTpi" } }),
      403,
    );
  },
});

Deno.test({
  name: "a client that is cut off is never told that it is nobody",
  ignore,
  async fn() {
    await using site = await startCertifiedSite();
    await cut(site);
    const strangers: As[] = [
      {},
      await issueClientCert(CLIENTS),
      await issueClientCert(CLIENTS, { notAfter: new Date("2021-01-01") }),
      { headers: { authorization: "Bearer junk" } },
      { headers: { authorization: `Bearer ${createTokenIssuer().sign()}` } },
    ];
    const asked: [string, RequestInit][] = [
      [SECRETS, {}],
      [`${SECRETS}?watch=true`, {}],
      [`${SECRETS}/s`, { method: "DELETE" }],
      ["/api/v1/namespaces/default/serviceaccounts/a/token", { method: "POST", body: "{}" }],
      ["/version", {}],
    ];
    for (const as of strangers) {
      for (const [path, init] of asked) {
        const status = await site.ask(path, { ...init, ...as });
        assert.ok(status === 503 || status === 504, `${init.method} ${path}: ${status}`);
      }
    }
  },
});

/** A site with a token issuer, whose cloud takes the tokens that {@linkcode TokenSite.issue} gives. */
interface TokenSite extends FakeSite {
  issuer: TokenIssuer;
  issue(account?: string, claims?: Record<string, unknown>): string;
  ask(path: string, token: string): Promise<Response>;
}

async function startTokenSite(
  section: Record<string, unknown> = {},
  clock?: Clock,
): Promise<TokenSite> {
  const issuer = createTokenIssuer();
  const tokens: Record<string, string> = {};
  const site = await startFakeSite({
    section,
    clock,
    cloud: {
      tokens,
      routes: (app) =>
        app.get("/.well-known/openid-configuration", (c) => c.body(issuer.configuration))
          .get("/openid/v1/jwks", (c) =>
            // As the real one.
            c.req.header("accept") === "application/json"
              ? c.body("Not Acceptable", 406)
              : c.body(issuer.keys)),
    },
  });
  createSecret(site);
  let count = 0;
  return Object.assign(Object.create(site), {
    issuer,
    issue(account = "a", claims: Record<string, unknown> = {}) {
      const sub = `system:serviceaccount:ns:${account}`;
      const token = issuer.sign({ claims: { sub, jti: String(count++), ...claims } });
      site.admit(token, sub);
      return token;
    },
    ask: (path: string, token: string) =>
      site.proxy.fetch(path, { as: null, headers: { authorization: `Bearer ${token}` } }),
  });
}

Deno.test("S14 a renewed token of a ServiceAccount reads offline what its predecessor saw", async () => {
  await using site = await startTokenSite();
  const first = site.issue();
  for (const path of READS) assert.equal(await statusOf(await site.ask(path, first)), 200);
  await site.restart(() => void site.link.set({ state: "refused" }));
  await statusOf(await site.proxy.fetch("/version"));
  // Made while the agent was away: neither it nor, by now, anybody else can ask the cloud about it.
  const renewed = site.issue();
  for (const path of READS) {
    const response = await site.ask(path, renewed);
    assert.equal(response.status, 200, path);
    await response.body?.cancel();
  }
  const forged = createTokenIssuer().sign();
  const others: [string, string][] = [
    ["another ServiceAccount's", site.issue("b")],
    ["one for another audience", site.issue("a", { aud: ["vault"] })],
    ["one of another issuer", site.issue("a", { iss: "https://elsewhere" })],
    ["a forged one", forged],
    ["half of one", `${renewed.split(".").slice(0, 2).join(".")}.`],
  ];
  for (const [name, token] of others) {
    for (const path of READS) {
      assert.equal(await statusOf(await site.ask(path, token)), 504, `${name}: ${path}`);
    }
  }
});

Deno.test("S14 the tokens of a ServiceAccount share one watch upstream", async () => {
  await using site = await startTokenSite();
  const readers = [];
  for (let i = 0; i < 3; i++) {
    const response = await site.ask(`${SECRETS}?watch=true`, site.issue());
    assert.equal(response.status, 200);
    readers.push(response.body!.getReader());
  }
  for (const reader of readers) await reader.read();
  assert.equal(site.cloud.audit.count({ verb: "watch", resource: "secrets" }), 1);
  for (const reader of readers) await reader.cancel();
});

Deno.test("S14 a token that the cloud refuses reads nothing, though its ServiceAccount's other ones do", async () => {
  await using site = await startTokenSite();
  const [good, revoked] = [site.issue(), site.issue()];
  for (const path of READS) assert.equal(await statusOf(await site.ask(path, good)), 200);
  site.revoke(revoked);
  for (const path of READS) assert.equal(await statusOf(await site.ask(path, revoked)), 401, path);
  assert.equal(await statusOf(await site.ask(SECRETS, good)), 200);
  await cut(site);
  for (const path of READS) {
    assert.equal(await statusOf(await site.ask(path, revoked)), 504, path);
    assert.equal(await statusOf(await site.ask(path, good)), 200, path);
  }
});

Deno.test("S14 a server that is too busy to look at a token has not accepted it", async () => {
  await using site = await startTokenSite();
  const [good, revoked] = [site.issue(), site.issue()];
  const [, , list] = READS as [string, string, string];
  assert.equal(await statusOf(await site.ask(list, good)), 200);
  site.revoke(revoked);
  // As one that shuts down, before it looks at anybody's credential.
  site.cloud.faults.next({ kind: "status", code: 429 }, ({ url }) => url === "/version");
  await statusOf(await site.ask(list, revoked));
  assert.equal(await statusOf(await site.ask(list, revoked)), 401);
});

Deno.test("S14 a watch outlives the tokens of its ServiceAccount", async () => {
  await using site = await startTokenSite();
  const first = site.issue();
  const watch = await site.ask(`${SECRETS}?watch=true`, first);
  const reader = watch.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const sees = async (name: string) => {
    while (!text.includes(`"${name}"`)) {
      const { value, done } = await reader.read();
      if (done) assert.fail(`the watch ended before ${name}`);
      text += value;
    }
  };
  await sees("s");
  site.revoke(first);
  // Its watch breaks, and the next one is refused.
  site.link.set({ state: "refused" });
  site.link.set({ state: "up" });
  const refused = () =>
    site.cloud.audit.entries.some(({ code, url }) => code === 401 && url.startsWith(SECRETS));
  while (!refused()) await new Promise((resolve) => setTimeout(resolve, 10));
  site.cloud.create("secrets", { metadata: { name: "later", namespace: "default" } });
  // The pod's next token is all that is needed, whatever it asks for.
  assert.equal(await statusOf(await site.ask("/version", site.issue())), 200);
  await sees("later");
  assert.equal(site.cloud.audit.count({ verb: "list", resource: "secrets", code: 200 }), 1);
  await reader.cancel();
});

Deno.test("S14 offlineTokenGrace ends what an expired token may read", async () => {
  await using site = await startTokenSite({ offlineTokenGrace: "1h" });
  const at = Math.floor(Date.now() / 1_000);
  const [lately, long] = [at - 1_800, at - 7_200].map((exp) =>
    site.issue("a", { iat: exp - 3_600, nbf: exp - 3_600, exp })
  ) as [string, string];
  for (const path of READS) assert.equal(await statusOf(await site.ask(path, site.issue())), 200);
  await cut(site);
  for (const path of READS) {
    assert.equal(await statusOf(await site.ask(path, lately)), 200, path);
    assert.equal(await statusOf(await site.ask(path, long)), 504, path);
  }
});

Deno.test("S14 impersonation is never cached, whoever asks", async () => {
  await using site = await startTokenSite();
  const token = site.issue();
  const headers = { authorization: `Bearer ${token}`, "impersonate-user": "admin" };
  const asAdmin = (path: string) => site.proxy.fetch(path, { as: null, headers });
  for (const path of READS) assert.equal(await statusOf(await asAdmin(path)), 200);
  await cut(site);
  for (const path of READS) {
    assert.equal(await statusOf(await asAdmin(path)), 504, path);
    assert.equal(await statusOf(await site.ask(path, token)), 504, `${path} without`);
  }
});

const YEARS_MS = 5 * 365 * 24 * 3_600_000;
for (
  const { name, skewMs } of [
    { name: "five years late", skewMs: YEARS_MS },
    { name: "five years early", skewMs: -YEARS_MS },
  ]
) {
  Deno.test(`S21 with a clock ${name} local tokens and the plain listener read as ever`, async () => {
    const clock = { ...systemClock, now: () => Date.now() + skewMs };
    const plain = { listen: "127.0.0.1:0", identity: "node" };
    await using site = await startTokenSite({ plain }, clock);
    const { plainUrl } = site.proxy.proxy.status() as { plainUrl: string };
    const token = site.issue();
    const watch = await site.proxy.fetch(`${SECRETS}?watch=true`);
    const reader = watch.body!.getReader();
    await reader.read();
    for (const when of ["online", "offline"]) {
      for (const path of READS) {
        assert.equal(await statusOf(await site.proxy.fetch(path)), 200, `${when} ${path}`);
        assert.equal(await statusOf(await fetch(plainUrl + path)), 200, `${when} plain ${path}`);
        assert.equal(await statusOf(await site.ask(path, token)), 200, `${when} token ${path}`);
      }
      if (when === "online") await cut(site);
    }
    site.link.set({ state: "up" });
    site.cloud.create("secrets", { metadata: { name: "later", namespace: "default" } });
    const { value } = await reader.read();
    assert.match(new TextDecoder().decode(value), /"later"/);
    await reader.cancel();
  });
}
