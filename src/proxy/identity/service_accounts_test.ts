import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import { createTokenIssuer, SUBJECT } from "../../../tests/testing/service_account_tokens.ts";
import { type CloudVerdict, ServiceAccounts, subjectKey } from "./service_accounts.ts";

const CLUSTER = createTokenIssuer();
const HOUR_MS = 3_600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;
const KEY = subjectKey(SUBJECT);

function setUp(options: { graceMs?: number; audiences?: string[] } = {}) {
  const clock = new FakeClock();
  const asked: string[] = [];
  const renewed: string[] = [];
  let verified = 0;
  const state = {
    open: true,
    verdict: "accepted" as CloudVerdict,
    issuer: CLUSTER.issuer as string | undefined,
  };
  const accounts = new ServiceAccounts({
    keys: {
      issuerOf() {
        verified++;
        return Promise.resolve(state.issuer);
      },
    },
    clock,
    isOpen: () => state.open,
    ask(token) {
      asked.push(token);
      return Promise.resolve(state.verdict);
    },
    audiences: options.audiences ?? [],
    offlineGraceMs: options.graceMs ?? Infinity,
    renewed: (key) => renewed.push(key),
  });
  const sign = (claims: Record<string, unknown> = {}) =>
    CLUSTER.sign({ atMs: clock.now(), claims });
  return { clock, asked, renewed, state, accounts, sign, verified: () => verified };
}

Deno.test("subjectKey() is the ServiceAccount's namespace and name", () => {
  assert.equal(KEY, "serviceaccount:ns:a");
});

Deno.test("subjectOf() of a token that the keys signed and the cloud accepts is its ServiceAccount", async () => {
  const { accounts, asked, sign, verified } = setUp();
  const token = sign();
  assert.equal(await accounts.subjectOf(token), SUBJECT);
  assert.equal(await accounts.subjectOf(token), SUBJECT);
  assert.equal(asked.length, 1);
  assert.equal(verified(), 1);
});

Deno.test("subjectOf() of a token that the cloud refuses is undefined, though the keys signed it", async () => {
  const { accounts, state, sign } = setUp();
  state.verdict = "refused";
  const token = sign();
  assert.equal(await accounts.subjectOf(token), undefined);
  state.open = false;
  assert.equal(await accounts.subjectOf(token), undefined, "nor later, without a link");
});

Deno.test("subjectOf() of a refused token is undefined however its signature is spelt", async () => {
  const { accounts, state, sign } = setUp();
  state.verdict = "refused";
  const token = sign();
  assert.equal(await accounts.subjectOf(token), undefined);
  state.open = false;
  // base64url may be padded, and its last character has bits that say nothing.
  assert.equal(await accounts.subjectOf(`${token}==`), undefined);
  assert.equal(await accounts.subjectOf(sign({ jti: "another" })), SUBJECT);
});

Deno.test("subjectOf() lets the cloud say what the time is, while it can be asked", async () => {
  const { accounts, clock, sign } = setUp({ graceMs: 0 });
  const token = sign();
  for (const jump of [5 * YEAR_MS, -10 * YEAR_MS]) {
    clock.jump(jump);
    assert.equal(await accounts.subjectOf(token), SUBJECT);
  }
});

Deno.test.each([
  { name: "in its time", graceMs: 0, at: 0, want: SUBJECT },
  { name: "after its end", graceMs: 0, at: 2 * HOUR_MS, want: undefined },
  { name: "within the grace", graceMs: HOUR_MS, at: 1.5 * HOUR_MS, want: SUBJECT },
  { name: "after the grace", graceMs: HOUR_MS, at: 3 * HOUR_MS, want: undefined },
  { name: "years later, without a limit", graceMs: Infinity, at: 5 * YEAR_MS, want: SUBJECT },
  { name: "years before", graceMs: Infinity, at: -5 * YEAR_MS, want: undefined },
])("subjectOf() link-down $name is $want", async ({ graceMs, at, want }) => {
  const { accounts, state, clock, sign } = setUp({ graceMs });
  const token = sign();
  state.open = false;
  clock.jump(at);
  assert.equal(await accounts.subjectOf(token), want);
});

Deno.test("subjectOf() of a token that the cloud once accepted needs no clock to begin, but one to end", async () => {
  const { accounts, state, clock, sign } = setUp({ graceMs: HOUR_MS });
  const token = sign();
  await accounts.subjectOf(token);
  state.open = false;
  clock.jump(-5 * YEAR_MS);
  assert.equal(await accounts.subjectOf(token), SUBJECT);
  clock.jump(5 * YEAR_MS + 3 * HOUR_MS);
  assert.equal(await accounts.subjectOf(token), undefined);
});

Deno.test("subjectOf() takes a cloud that does not answer for a link that is down", async () => {
  const { accounts, state, clock, sign } = setUp({ graceMs: 0 });
  state.verdict = "unreachable";
  const token = sign();
  assert.equal(await accounts.subjectOf(token), SUBJECT);
  clock.jump(2 * HOUR_MS);
  assert.equal(await accounts.subjectOf(token), undefined);
});

Deno.test.each([
  { name: "another issuer", claims: { iss: "https://elsewhere" }, audiences: [], want: undefined },
  { name: "another audience", claims: { aud: ["vault"] }, audiences: [], want: undefined },
  {
    name: "a configured audience",
    claims: { aud: ["vault"] },
    audiences: ["vault"],
    want: SUBJECT,
  },
  { name: "a node", claims: { sub: "system:node:edge-1" }, audiences: [], want: undefined },
])("subjectOf() of a token for $name is $want", async ({ claims, audiences, want }) => {
  const { accounts, sign, asked } = setUp({ audiences: [...audiences] });
  assert.equal(await accounts.subjectOf(sign(claims)), want);
  assert.equal(asked.length, want === undefined ? 0 : 1);
});

Deno.test("subjectOf() asks the cloud again after 10 min, as the token's pod may be gone", async () => {
  const { accounts, clock, state, asked, sign } = setUp();
  const token = sign();
  await accounts.subjectOf(token);
  await clock.advance(599_999);
  await accounts.subjectOf(token);
  assert.equal(asked.length, 1);
  state.verdict = "refused";
  await clock.advance(1);
  assert.equal(await accounts.subjectOf(token), undefined);
});

Deno.test("subjectOf() gives a refused token another chance after 10 s", async () => {
  const { accounts, clock, state, asked, sign } = setUp();
  state.verdict = "refused";
  const token = sign();
  await accounts.subjectOf(token);
  await accounts.subjectOf(token);
  assert.equal(asked.length, 1);
  state.verdict = "accepted";
  await clock.advance(10_000);
  assert.equal(await accounts.subjectOf(token), SUBJECT);
});

Deno.test("subjectOf() asks once for requests that come together", async () => {
  const { accounts, asked, sign } = setUp();
  const token = sign();
  await accounts.subjectOf(token);
  const [one, two] = [sign({ jti: "new" }), sign({ jti: "new" })];
  assert.equal(one, two);
  await Promise.all([accounts.subjectOf(one), accounts.subjectOf(two)]);
  assert.equal(asked.length, 2);
});

Deno.test("subjectOf() looks at a token of nobody known again after a minute", async () => {
  const { accounts, clock, state, sign, verified } = setUp();
  const token = sign();
  state.issuer = undefined;
  for (let i = 0; i < 3; i++) assert.equal(await accounts.subjectOf(token), undefined);
  assert.equal(verified(), 1);
  state.issuer = CLUSTER.issuer;
  await clock.advance(60_000);
  assert.equal(await accounts.subjectOf(token), SUBJECT);
});

Deno.test("tokenOf() is the newest token, whichever came last", async () => {
  const { accounts, clock, sign } = setUp();
  const old = sign();
  await clock.advance(HOUR_MS);
  const renewed = sign();
  for (const token of [old, renewed, old]) await accounts.subjectOf(token);
  assert.equal(accounts.tokenOf(KEY), renewed);
  assert.equal(accounts.tokenOf("serviceaccount:ns:b"), undefined);
});

Deno.test("tokenOf() waits for the next token when the newest was refused, and says when it is there", async () => {
  const { accounts, clock, renewed, sign } = setUp();
  const first = sign();
  await accounts.subjectOf(first);
  accounts.refused(first);
  assert.equal(accounts.tokenOf(KEY), undefined);
  assert.deepEqual(renewed, []);
  await clock.advance(HOUR_MS);
  const second = sign();
  await accounts.subjectOf(second);
  assert.equal(accounts.tokenOf(KEY), second);
  assert.deepEqual(renewed, [KEY]);
  await accounts.subjectOf(sign({ jti: "3" }));
  assert.deepEqual(renewed, [KEY], "nothing waited for this one");
});

Deno.test("refused() of a token that was never seen is nothing", () => {
  setUp().accounts.refused("x");
});

Deno.test("subjectOf() forgets the tokens not seen for longest when there are too many", async () => {
  const { accounts, asked, sign } = setUp();
  const tokens = Array.from({ length: 2_001 }, (_, i) => sign({ jti: String(i) }));
  for (const token of tokens) await accounts.subjectOf(token);
  await accounts.subjectOf(tokens[2_000]!);
  assert.equal(asked.length, 2_001);
  await accounts.subjectOf(tokens[0]!);
  assert.equal(asked.length, 2_002);
});
