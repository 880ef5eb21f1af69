import assert from "node:assert/strict";
import fc from "fast-check";
import { FUZZ_RUNS, jsonValue } from "../../../tests/testing/arbitraries.ts";
import { areMeant, hasBegun, hasEnded, readClaims } from "./jwt.ts";

const encode = (value: unknown) => {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return new TextEncoder().encode(text).toBase64({ alphabet: "base64url", omitPadding: true });
};
const tokenOf = (claims: unknown) => `${encode({ alg: "RS256" })}.${encode(claims)}.c2ln`;

const CLAIMS = {
  iss: "https://issuer",
  sub: "system:serviceaccount:ns:a",
  aud: ["https://issuer"],
  iat: 1_000,
  nbf: 1_010,
  exp: 4_600,
  "kubernetes.io": { namespace: "ns" },
};

Deno.test("readClaims() reads the token of a ServiceAccount", () => {
  assert.deepEqual(readClaims(tokenOf(CLAIMS)), {
    issuer: "https://issuer",
    subject: "system:serviceaccount:ns:a",
    audiences: ["https://issuer"],
    issuedAt: 1_000,
    notBefore: 1_010,
    expiresAt: 4_600,
  });
  assert.deepEqual(readClaims(tokenOf({ ...CLAIMS, aud: "one" }))?.audiences, ["one"]);
  assert.equal(readClaims(tokenOf({ ...CLAIMS, nbf: undefined }))?.notBefore, 1_000);
});

Deno.test.each([
  { name: "a node", claims: { ...CLAIMS, sub: "system:node:edge-1" } },
  { name: "a user", claims: { ...CLAIMS, sub: "admin" } },
  { name: "a user named like one", claims: { ...CLAIMS, sub: "x system:serviceaccount:ns:a" } },
  { name: "a name with a line break", claims: { ...CLAIMS, sub: `${CLAIMS.sub}\nidentity:node` } },
  { name: "a name with a third part", claims: { ...CLAIMS, sub: `${CLAIMS.sub}:b` } },
  { name: "nobody", claims: { ...CLAIMS, sub: undefined } },
  { name: "no end", claims: { ...CLAIMS, exp: undefined } },
  { name: "an end that is no number", claims: { ...CLAIMS, exp: "4600" } },
  { name: "no issuer", claims: { ...CLAIMS, iss: 1 } },
  { name: "audiences that are no texts", claims: { ...CLAIMS, aud: [1] } },
  { name: "no claims", claims: null },
  { name: "a list", claims: [] },
])("readClaims() does not take a token of $name", ({ claims }) => {
  assert.equal(readClaims(tokenOf(claims)), undefined);
});

Deno.test("readClaims() does not look at what is too long to be one", () => {
  assert.equal(readClaims(tokenOf({ ...CLAIMS, padding: "x".repeat(20_000) })), undefined);
});

Deno.test("readClaims() of any text is claims or undefined", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string().map((s) => `a.${s}.b`)), (token) => {
      readClaims(token);
    }),
    { numRuns: FUZZ_RUNS },
  );
  fc.assert(
    fc.property(
      jsonValue,
      fc.constantFrom("iss", "sub", "aud", "iat", "nbf", "exp"),
      (value, name) => {
        const claims = readClaims(tokenOf({ ...CLAIMS, [name]: value }));
        if (claims === undefined) return;
        assert.match(claims.subject, /^system:serviceaccount:/);
        assert.ok([claims.issuedAt, claims.notBefore, claims.expiresAt].every(Number.isFinite));
      },
    ),
    { numRuns: FUZZ_RUNS },
  );
});

Deno.test.each([
  { name: "its own issuer", issuer: "https://issuer", audiences: ["https://issuer"], want: true },
  {
    name: "an audience that is configured",
    issuer: "https://issuer",
    audiences: ["api"],
    want: true,
  },
  { name: "another audience", issuer: "https://issuer", audiences: ["vault"], want: false },
  { name: "another issuer", issuer: "https://other", audiences: ["https://issuer"], want: false },
])("areMeant() of $name is $want", ({ issuer, audiences, want }) => {
  const claims = readClaims(tokenOf({ ...CLAIMS, aud: ["https://issuer", "api"] }))!;
  const accepted = readClaims(tokenOf({ ...CLAIMS, aud: audiences }))!;
  assert.equal(
    areMeant({ ...claims, audiences: accepted.audiences }, {
      issuer,
      audiences: ["https://issuer", "api"],
    }),
    want,
  );
});

const HOUR_MS = 3_600_000;
Deno.test.each([
  { name: "before its time", at: 900, graceMs: 0, want: [false, false] },
  { name: "within a minute of its time", at: 960, graceMs: 0, want: [true, false] },
  { name: "in its time", at: 2_000, graceMs: 0, want: [true, false] },
  { name: "a moment after", at: 4_650, graceMs: 0, want: [true, false] },
  { name: "after its time", at: 4_700, graceMs: 0, want: [true, true] },
  { name: "within the grace", at: 8_000, graceMs: HOUR_MS, want: [true, false] },
  { name: "after the grace", at: 8_300, graceMs: HOUR_MS, want: [true, true] },
  { name: "years later, without a limit", at: 1.6e8, graceMs: Infinity, want: [true, false] },
  { name: "years before, without a limit", at: -1.6e8, graceMs: Infinity, want: [false, false] },
])("hasBegun() and hasEnded() $name are $want", ({ at, graceMs, want }) => {
  const claims = readClaims(tokenOf(CLAIMS))!;
  assert.deepEqual([hasBegun(claims, at * 1_000), hasEnded(claims, at * 1_000, graceMs)], want);
});
