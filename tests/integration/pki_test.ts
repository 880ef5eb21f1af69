import assert from "node:assert/strict";
import { createCa, issueServingCert } from "../../src/kube/pki.ts";
import { createHttpClient, serveHttp } from "../../src/platform/net.ts";

Deno.test("issueServingCert() makes what a TLS client accepts for each of its names", async () => {
  const ca = await createCa("test CA");
  const tls = await issueServingCert(ca, ["localhost", "127.0.0.1"]);
  await using server = serveHttp(
    { hostname: "127.0.0.1", port: 0, tls },
    () => new Response("hello"),
  );
  for (const host of ["localhost", "127.0.0.1"]) {
    using client = createHttpClient({ caCerts: [ca.cert], protocol: "h2" });
    const response = await client.fetch(`https://${host}:${server.port}/`, {});
    assert.equal(await response.text(), "hello");
  }
});

Deno.test.each([
  { name: "an authority of the same name", trusts: "test CA", sans: ["127.0.0.1"] },
  { name: "the right authority but other names", trusts: undefined, sans: ["10.0.0.1"] },
])("a TLS client that trusts $name refuses", async ({ trusts, sans }) => {
  const ca = await createCa("test CA");
  const trusted = trusts === undefined ? ca : await createCa(trusts);
  const tls = await issueServingCert(ca, sans);
  await using server = serveHttp(
    { hostname: "127.0.0.1", port: 0, tls },
    () => new Response("hello"),
  );
  using client = createHttpClient({ caCerts: [trusted.cert], protocol: "h2" });
  await assert.rejects(client.fetch(`https://127.0.0.1:${server.port}/`, {}), TypeError);
});
