import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import { FakeFs } from "../../../tests/testing/fake_fs.ts";
import { UsageError } from "../../kernel/errors.ts";
import { createCa, issueServingCert } from "../../kube/pki.ts";
import type { IdentityConfig } from "../config.ts";
import { bearerCredential, CredentialSource, hashToken } from "./credentials.ts";

const CA = await createCa("test");
const [ONE, TWO] = [await issueServingCert(CA, ["one"]), await issueServingCert(CA, ["two"])];
const [CERT, KEY] = [ONE.cert.trim(), ONE.key.trim()];
/** The same key as older tools write it (SEC 1). */
const EC_KEY = createPrivateKey(KEY).export({ type: "sec1", format: "pem" }).toString().trim();
const CHAIN = CA.cert.trim();

function source(config: Partial<IdentityConfig>, files: Record<string, string>) {
  const clock = new FakeClock();
  const fs = new FakeFs(files);
  return { clock, fs, source: new CredentialSource({ name: "kubelet", ...config }, fs, clock) };
}

Deno.test("current() parts certificates and key when the kubelet keeps them in one file", async () => {
  const { source: one } = source(
    { certFile: "/pki/current.pem" },
    { "/pki/current.pem": `junk\n${CERT}\n${EC_KEY}\n${CHAIN}\n` },
  );
  assert.deepEqual(await one.current(), {
    key: "identity:kubelet",
    version: 1,
    certificate: { cert: `${CERT}\n${CHAIN}`, key: EC_KEY },
  });
});

Deno.test.each([
  { name: "PKCS #8", key: KEY },
  { name: "SEC 1", key: EC_KEY },
])("current() reads certificate and $name key from two files", async ({ key }) => {
  const { source: two } = source(
    { certFile: "/c", keyFile: "/k" },
    { "/c": CERT, "/k": key },
  );
  assert.deepEqual((await two.current()).certificate, { cert: CERT, key });
});

Deno.test.each([
  { name: "the certificate", files: { "/c": KEY, "/k": KEY }, match: /\/c.*CERTIFICATE/ },
  { name: "the key", files: { "/c": CERT, "/k": CERT }, match: /\/k.*PRIVATE KEY/ },
])("current() throws a UsageError that names the file when $name is not in it", async (row) => {
  const { source: broken } = source({ certFile: "/c", keyFile: "/k" }, row.files);
  await assert.rejects(broken.current(), (error) => {
    assert.ok(error instanceof UsageError);
    assert.match(error.message, row.match);
    return true;
  });
});

Deno.test("current() gives callers that come together one version", async () => {
  const { source: one } = source({ tokenFile: "/t" }, { "/t": "abc" });
  const both = await Promise.all([one.current(), one.current()]);
  assert.deepEqual(both.map(({ version }) => version), [1, 1]);
});

Deno.test("current() throws while its file is missing, and takes it once it is there", async () => {
  const { source: late, fs } = source({ tokenFile: "/t/token" }, { "/t/other": "" });
  await assert.rejects(late.current(), /token/);
  await fs.writeAtomic("/t/token", "abc\n", 0o600);
  assert.equal((await late.current()).token, "abc");
});

Deno.test("current() reads a rotated file again after 5 s, with a higher version", async () => {
  const { source: rotating, fs, clock } = source({ tokenFile: "/token" }, { "/token": "old" });
  await rotating.current();
  await fs.writeAtomic("/token", "new", 0o600);
  await clock.advance(4_999);
  assert.deepEqual([(await rotating.current()).token, (await rotating.current()).version], [
    "old",
    1,
  ]);
  await clock.advance(1);
  assert.deepEqual([(await rotating.current()).token, (await rotating.current()).version], [
    "new",
    2,
  ]);
});

Deno.test("current() keeps its version when no file changed", async () => {
  const { source: still, clock, fs } = source({ tokenFile: "/token" }, { "/token": "old" });
  const first = await still.current();
  await clock.advance(60_000);
  assert.equal(await still.current(), first);
  assert.equal(fs.calls.filter((call) => call.startsWith("read")).length, 1);
});

Deno.test("current() takes up the certificate that a kubeconfig points to when it is rotated", async () => {
  const kubeconfig = `
current-context: main
contexts: [{ name: main, context: { cluster: c, user: u } }]
clusters: [{ name: c, cluster: { server: "https://a" } }]
users: [{ name: u, user: { client-certificate: pki/current.pem, client-key: pki/current.pem } }]
`;
  const { source: kubelet, clock, fs } = source({ kubeconfig: "/k/kubelet.conf" }, {
    "/k/kubelet.conf": kubeconfig,
    "/k/pki/current.pem": ONE.cert + ONE.key,
  });
  assert.equal((await kubelet.current()).certificate?.cert, CERT);
  await clock.advance(5_000);
  assert.equal((await kubelet.current()).version, 1);
  await fs.writeAtomic("/k/pki/current.pem", TWO.cert + TWO.key, 0o600);
  await clock.advance(5_000);
  const { certificate, version } = await kubelet.current();
  assert.deepEqual([certificate?.cert, version], [TWO.cert.trim(), 2]);
});

Deno.test.each<{ name: string; spoil: (fs: FakeFs) => Promise<void> }>([
  { name: "gone", spoil: (fs) => fs.remove("/c") },
  { name: "half written", spoil: (fs) => fs.writeAtomic("/c", CERT.slice(0, 20), 0o600) },
  { name: "beside another's key", spoil: (fs) => fs.writeAtomic("/c", TWO.cert + KEY, 0o600) },
])(
  "current() serves the last good one while the file is $name, then the next",
  async ({ spoil }) => {
    const { source: rotating, fs, clock } = source({ certFile: "/c" }, { "/c": CERT + KEY });
    const first = await rotating.current();
    await spoil(fs);
    await clock.advance(5_000);
    assert.equal(await rotating.current(), first);
    assert.notEqual(rotating.status().error, undefined);
    await fs.writeAtomic("/c", TWO.cert + TWO.key, 0o600);
    await clock.advance(5_000);
    assert.equal((await rotating.current()).certificate?.cert, TWO.cert.trim());
    assert.equal(rotating.status().error, undefined);
  },
);

Deno.test("status() says what is shown to the cloud and until when", async () => {
  const { source: certified } = source({ certFile: "/c" }, { "/c": CERT + KEY });
  assert.deepEqual(certified.status(), { kind: "none", expiresAtMs: undefined, error: undefined });
  await certified.current();
  const expiresAtMs = Date.UTC(2099, 11, 31, 23, 59, 59);
  assert.deepEqual(certified.status(), { kind: "certificate", expiresAtMs, error: undefined });
  const claims = { iss: "i", sub: "system:serviceaccount:a:b", aud: "i", iat: 1, exp: 3_600 };
  const token = `e30.${btoa(JSON.stringify(claims)).replaceAll("=", "")}.e30`;
  const { source: withToken } = source({ tokenFile: "/t" }, { "/t": token });
  await withToken.current();
  assert.deepEqual(withToken.status(), {
    kind: "token",
    expiresAtMs: 3_600_000,
    error: undefined,
  });
});

Deno.test("status() tells that the cloud refuses it until it accepts it or the files change", async () => {
  const { source: refused, fs, clock } = source({ tokenFile: "/t" }, { "/t": "old" });
  await refused.current();
  refused.answered(401);
  assert.match(refused.status().error ?? "", /401/);
  refused.answered(403);
  assert.equal(refused.status().error, undefined);
  refused.answered(401);
  await fs.writeAtomic("/t", "new", 0o600);
  await clock.advance(5_000);
  await refused.current();
  assert.equal(refused.status().error, undefined);
});

Deno.test("current() throws a UsageError that names the identity when it has no files", async () => {
  await assert.rejects(source({}, {}).source.current(), /"kubelet"/);
});

Deno.test("bearerCredential() carries the token but is known by its hash", () => {
  const { key, token, certificate } = bearerCredential("secret");
  assert.deepEqual([key, token, certificate], [
    `bearer:${hashToken("secret")}`,
    "secret",
    undefined,
  ]);
  assert.ok(!key.includes("secret"));
});
