import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { createCa, issueServingCert } from "./pki.ts";

Deno.test("issueServingCert() makes a leaf for servers that another X.509 reader understands", async () => {
  const ca = await createCa("edge-agent test");
  const { cert } = await issueServingCert(ca, ["kubernetes.default.svc", "169.254.20.10", "::1"]);
  const issuer = new X509Certificate(ca.cert);
  const leaf = new X509Certificate(cert);
  assert.equal(issuer.ca, true);
  assert.equal(leaf.ca, false);
  assert.equal(leaf.issuer, "CN=edge-agent test");
  assert.ok(leaf.verify(issuer.publicKey));
  assert.deepEqual(leaf.subjectAltName?.split(", "), [
    "DNS:kubernetes.default.svc",
    "IP Address:169.254.20.10",
    "IP Address:::1",
  ]);
});

Deno.test("issueServingCert() is valid for a clock that is ten years off", async () => {
  const { cert } = await issueServingCert(await createCa("x"), ["localhost"]);
  const { validFrom, validTo } = new X509Certificate(cert);
  assert.ok(Date.parse(validFrom) < Date.UTC(2016, 0, 1));
  assert.ok(Date.parse(validTo) > Date.UTC(2046, 0, 1));
});

Deno.test("issueServingCert() refuses an authority that is no PEM", async () => {
  await assert.rejects(issueServingCert({ cert: "", key: "junk" }, ["x"]), SyntaxError);
});

Deno.test("createCa() makes another key and serial each time", async () => {
  const [a, b] = await Promise.all([createCa("x"), createCa("x")]);
  assert.notEqual(
    new X509Certificate(a.cert).serialNumber,
    new X509Certificate(b.cert).serialNumber,
  );
  assert.notEqual(a.key, b.key);
});
