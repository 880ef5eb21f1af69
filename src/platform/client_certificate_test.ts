import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { issueClientCert, NODE_NAME } from "../../tests/testing/client_certificates.ts";
import { UsageError } from "../kernel/errors.ts";
import { createCa, issueServingCert } from "../kube/pki.ts";
import { checkTls, parseAuthorities, peerOf, type PeerSocket } from "./client_certificate.ts";

const CA = await createCa("clients");
const OTHER = await createCa("others");
const NOW = Date.UTC(2026, 0, 1);
const SHORT = await issueClientCert(CA, {
  notBefore: new Date("2025-06-01T00:00:00Z"),
  notAfter: new Date("2026-06-01T00:00:00Z"),
});

/** A connection as `node:tls` shows it. */
function socket(
  options: { authorized?: boolean; reused?: boolean; CN?: unknown; cert?: string } = {},
): PeerSocket {
  const { authorized = true, reused = false, CN = NODE_NAME, cert = SHORT.cert } = options;
  return {
    authorized,
    isSessionReused: () => reused,
    getPeerCertificate: () => ({ subject: CN === undefined ? {} : { CN } }),
    getPeerX509Certificate: () => new X509Certificate(cert),
  } as unknown as PeerSocket;
}

const authorities = parseAuthorities(OTHER.cert + CA.cert);

Deno.test.each([
  { name: "a verified certificate", options: {}, want: NODE_NAME },
  { name: "one that is not verified", options: { authorized: false }, want: undefined },
  { name: "several names", options: { CN: ["other", NODE_NAME] }, want: undefined },
  { name: "an empty name", options: { CN: "" }, want: undefined },
  { name: "a resumed session", options: { reused: true }, want: NODE_NAME },
  {
    name: "a resumed session of a server's authority",
    options: { reused: true, cert: (await issueServingCert(OTHER, ["a"])).cert },
    want: NODE_NAME,
  },
  {
    name: "a resumed session of an authority that is no longer trusted",
    options: { reused: true, cert: (await issueClientCert(await createCa("clients"))).cert },
    want: undefined,
  },
])("peerOf() of $name is $want", ({ options, want }) => {
  assert.equal(peerOf(socket(options), authorities, NOW)?.commonName, want);
});

Deno.test("peerOf() knows nobody without authorities", () => {
  assert.equal(peerOf(socket(), [], NOW), undefined);
});

Deno.test.each([
  { at: Date.UTC(2025, 4, 31), want: undefined },
  { at: Date.UTC(2025, 5, 2), want: NODE_NAME },
  { at: Date.UTC(2026, 5, 2), want: undefined },
])("peerOf() looks at the time of a resumed session: $at is $want", ({ at, want }) => {
  assert.equal(peerOf(socket({ reused: true }), authorities, at)?.commonName, want);
});

Deno.test("parseAuthorities() reads a bundle, whatever stands between its blocks", () => {
  const [one, two] = parseAuthorities(`# old\n${OTHER.cert}\n# new\n${CA.cert}`);
  assert.deepEqual([one?.subject, two?.subject], ["CN=others", "CN=clients"]);
});

Deno.test.each([
  "",
  "no PEM at all",
  CA.key,
  CA.cert.slice(0, 200),
  CA.cert.replace(/[A-Z]{3}/, ""),
])(
  "parseAuthorities() throws a UsageError for what holds no certificate: %#",
  (text) => assert.throws(() => parseAuthorities(text), UsageError),
);

Deno.test("checkTls() takes a pair that fits, and throws a UsageError for any other", async () => {
  const [one, two] = [await issueServingCert(CA, ["a"]), await issueServingCert(CA, ["a"])];
  assert.equal(checkTls(one).length, 0);
  assert.equal(checkTls({ ...one, clientCa: CA.cert }).length, 1);
  const unusable = [
    { cert: one.cert, key: two.key },
    { cert: "", key: one.key },
    { cert: one.cert, key: one.key.slice(0, 80) },
    { ...one, clientCa: "junk" },
  ];
  for (const texts of unusable) assert.throws(() => checkTls(texts), UsageError);
});
