import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import { createTokenIssuer } from "../../../tests/testing/service_account_tokens.ts";
import type { Answer } from "../../kube/answer.ts";
import type { KeptAnswer } from "../store/overlay.ts";
import { IssuerKeys } from "./issuer_keys.ts";

const DAY_MS = 24 * 3_600_000;
const CLUSTER = createTokenIssuer();
const STRANGER = createTokenIssuer();

/** The keys of a cloud that answers as `cloud` says; what is kept outlives {@linkcode restart}. */
function setUp(cloud: { configuration: string; keys: string; status?: number } = CLUSTER) {
  const clock = new FakeClock();
  const stored = new Map<string, KeptAnswer>();
  const asked: string[] = [];
  const state = { open: true, cloud: cloud as typeof cloud | undefined };
  const create = () =>
    new IssuerKeys({
      kept: {
        get: (key) => stored.get(key),
        keep: (key, answer) =>
          void stored.set(key, { ...answer, resourceVersion: "", atMs: clock.now() }),
      },
      clock,
      isOpen: () => state.open,
      get(path, accept, token): Promise<Answer> {
        assert.equal(path === "/openid/v1/jwks", accept === "application/jwk-set+json");
        asked.push(`${path} ${token.slice(-8)}`);
        if (state.cloud === undefined) return Promise.reject(new Error("unreachable"));
        const { status = 200, configuration, keys } = state.cloud;
        const text = path === "/openid/v1/jwks" ? keys : configuration;
        return Promise.resolve({ status, headers: {}, body: new TextEncoder().encode(text) });
      },
    });
  return { clock, asked, state, create, keys: create() };
}

Deno.test("issuerOf() asks with the token for the keys, and keeps them", async () => {
  const { keys, asked, state, create } = setUp();
  const token = CLUSTER.sign();
  assert.equal(await keys.issuerOf(token), CLUSTER.issuer);
  const by = token.slice(-8);
  assert.deepEqual(asked, [`/.well-known/openid-configuration ${by}`, `/openid/v1/jwks ${by}`]);
  assert.equal(await keys.issuerOf(CLUSTER.sign({ claims: { jti: "2" } })), CLUSTER.issuer);
  assert.equal(asked.length, 2);
  state.open = false;
  assert.equal(await create().issuerOf(CLUSTER.sign()), CLUSTER.issuer, "after a restart");
});

const token = CLUSTER.sign();
const [head, claims, signature] = token.split(".") as [string, string, string];
const encode = (value: unknown) =>
  btoa(JSON.stringify(value)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const hmac = async (key: string, input: string) => {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const secret = await crypto.subtle.importKey(
    "raw",
    new TextEncoder().encode(key),
    algorithm,
    false,
    ["sign"],
  );
  const bytes = await crypto.subtle.sign(algorithm, secret, new TextEncoder().encode(input));
  return new Uint8Array(bytes).toBase64({ alphabet: "base64url", omitPadding: true });
};
const confused = `${encode({ alg: "HS256", kid: "key-1" })}.${claims}`;

Deno.test.each([
  { name: "signed by a stranger", forged: STRANGER.sign() },
  { name: "signed by nobody", forged: `${encode({ alg: "none" })}.${claims}.` },
  { name: "whose signature was left out", forged: `${head}.${claims}.` },
  { name: "of other claims", forged: `${head}.${encode({ sub: "x" })}.${signature}` },
  {
    name: "signed with the public key as a secret",
    forged: `${confused}.${await hmac(CLUSTER.keys, confused)}`,
  },
  {
    name: "that brings its own key",
    forged: STRANGER.sign({ header: { jwk: JSON.parse(STRANGER.keys).keys[0] } }),
  },
  { name: "with a critical extension", forged: CLUSTER.sign({ header: { crit: ["x"], x: 1 } }) },
  { name: "that is none", forged: "a.b.c" },
])("issuerOf() of a token $name is undefined", async ({ forged }) => {
  const { keys } = setUp();
  assert.equal(await keys.issuerOf(forged), undefined);
});

Deno.test("issuerOf() fetches the keys anew for one that is not known, but not every time", async () => {
  const { keys, asked, clock } = setUp();
  await keys.issuerOf(CLUSTER.sign());
  await keys.issuerOf(CLUSTER.sign({ header: { kid: "new" } }));
  assert.equal(asked.length, 2, "they have just come");
  await clock.advance(60_000);
  await keys.issuerOf(STRANGER.sign({ header: { kid: "made-up" } }));
  assert.equal(asked.length, 4);
  await keys.issuerOf(STRANGER.sign({ header: { kid: "made-up-too" } }));
  assert.equal(asked.length, 4);
});

Deno.test("issuerOf() takes up keys that were rotated", async () => {
  const { keys, state, clock } = setUp();
  await keys.issuerOf(CLUSTER.sign());
  const rotated = createTokenIssuer(CLUSTER.issuer, "key-2");
  state.cloud = rotated;
  await clock.advance(60_000);
  assert.equal(await keys.issuerOf(rotated.sign()), CLUSTER.issuer);
  assert.equal(await keys.issuerOf(CLUSTER.sign()), undefined, "the former key is gone");
});

Deno.test.each([{ jump: 2 * DAY_MS }, { jump: -2 * DAY_MS }])(
  "issuerOf() fetches keys of another day anew: $jump ms",
  async ({ jump }) => {
    const { keys, asked, clock } = setUp();
    await keys.issuerOf(CLUSTER.sign());
    await clock.advance(60_000);
    clock.jump(jump);
    assert.equal(await keys.issuerOf(CLUSTER.sign()), CLUSTER.issuer);
    assert.equal(asked.length, 4);
  },
);

Deno.test.each([
  { name: "can't be reached", cloud: undefined },
  { name: "says no", cloud: { ...CLUSTER, status: 403 } },
])("issuerOf() goes on with the keys that it has when the cloud $name", async ({ cloud }) => {
  const { keys, state, clock } = setUp();
  await keys.issuerOf(CLUSTER.sign());
  state.cloud = cloud;
  await clock.advance(2 * DAY_MS);
  assert.equal(await keys.issuerOf(CLUSTER.sign()), CLUSTER.issuer);
});

Deno.test("issuerOf() asks again at once when the cloud gave it nothing", async () => {
  const { keys, asked, state } = setUp({ ...CLUSTER, status: 401 });
  assert.equal(await keys.issuerOf(STRANGER.sign()), undefined);
  assert.equal(asked.length, 1, "a junk token must not keep a good one from asking");
  state.cloud = CLUSTER;
  assert.equal(await keys.issuerOf(CLUSTER.sign()), CLUSTER.issuer);
});

Deno.test.each([
  { name: "an issuer that is no text", configuration: `{"issuer":1}`, keys: CLUSTER.keys },
  { name: "no JSON", configuration: "<html>", keys: CLUSTER.keys },
  { name: "no keys", configuration: CLUSTER.configuration, keys: "{}" },
])("issuerOf() believes nothing of a document with $name", async (cloud) => {
  const { keys } = setUp(cloud);
  assert.equal(await keys.issuerOf(CLUSTER.sign()), undefined);
});

Deno.test("issuerOf() is undefined without a link and without keys", async () => {
  const { keys, state, asked } = setUp();
  state.open = false;
  assert.equal(await keys.issuerOf(CLUSTER.sign()), undefined);
  assert.deepEqual(asked, []);
});

Deno.test("issuerOf() asks with each token, so that a refused one speaks for itself alone", async () => {
  const { keys, asked } = setUp();
  const token = CLUSTER.sign();
  const junk = STRANGER.sign();
  const [, issuer] = await Promise.all([keys.issuerOf(junk), keys.issuerOf(token)]);
  assert.equal(issuer, CLUSTER.issuer);
  assert.ok(asked.some((each) => each.endsWith(token.slice(-8))), "asked with the good one");
});
