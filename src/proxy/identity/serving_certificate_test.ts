import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { FakeFs } from "../../../tests/testing/fake_fs.ts";
import { loadServingCertificate } from "./serving_certificate.ts";

/** The certificate is of the authority, for all the hosts, and the key is its own. */
function assertFits(
  { ca, cert, key }: { ca: string; cert: string; key: string },
  hosts: string[],
): void {
  const leaf = new X509Certificate(cert);
  assert.ok(leaf.verify(new X509Certificate(ca).publicKey), "not of this authority");
  assert.ok(leaf.checkPrivateKey(createPrivateKey(key)), "another key");
  for (const host of hosts) {
    assert.ok(/^[\d.]+$/.test(host) ? leaf.checkIP(host) : leaf.checkHost(host), host);
  }
}

const NOW = Date.UTC(2026, 5, 1);
const HOSTS = ["127.0.0.1", "localhost"];
const load = (fs: FakeFs, hosts = HOSTS) =>
  loadServingCertificate(hosts, { fs, stateDir: "/state", now: () => NOW });

Deno.test("loadServingCertificate() makes one on the first start, its key for the owner alone", async () => {
  const fs = new FakeFs({ "/state/other": "" });
  assertFits(await load(fs), HOSTS);
  assert.equal(fs.modeOf("/state/pki"), 0o700);
  for (const name of ["ca", "serving"]) assert.equal(fs.modeOf(`/state/pki/${name}.key`), 0o600);
});

Deno.test("loadServingCertificate() takes the one that is there, in whatever order the hosts come", async () => {
  const fs = new FakeFs({ "/state/other": "" });
  const first = await load(fs);
  fs.calls.length = 0;
  assert.deepEqual(await load(fs, ["localhost", "127.0.0.1", "localhost"]), first);
  assert.deepEqual(fs.calls.filter((call) => call.startsWith("write")), []);
});

Deno.test("loadServingCertificate() keeps its authority when a host is added", async () => {
  const fs = new FakeFs({ "/state/other": "" });
  const first = await load(fs);
  const hosts = [...HOSTS, "169.254.20.10"];
  const second = await load(fs, hosts);
  assert.equal(second.ca, first.ca, "clients trust it already");
  assert.notEqual(second.cert, first.cert);
  assertFits(second, hosts);
});

Deno.test.each(["ca.crt", "ca.key", "serving.crt", "serving.key", "serving.hosts"])(
  "loadServingCertificate() gives a pair that fits when %s was lost",
  async (lost) => {
    const fs = new FakeFs({ "/state/other": "" });
    await load(fs);
    await fs.remove(`/state/pki/${lost}`);
    const mended = await load(fs);
    assertFits(mended, HOSTS);
    assert.deepEqual(await load(fs), mended);
  },
);

Deno.test("loadServingCertificate() gives a pair that fits wherever power ended before", async () => {
  for (let crashAt = 0; crashAt < 40; crashAt++) {
    const fs = new FakeFs({ "/state/other": "" });
    let calls = 0;
    fs.fault = () => (calls++ === crashAt ? "crash" : undefined);
    const whole = await load(fs).then(() => true, () => false);
    fs.fault = () => undefined;
    fs.restart({ entries: "kept", bytes: 0 });
    assertFits(await load(fs), HOSTS);
    if (whole) return;
  }
  assert.fail("it never came to its end");
});
