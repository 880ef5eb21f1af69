import assert from "node:assert/strict";
import { startFakeSite } from "../testing/fake_site.ts";

const PATH = "/api/v1/namespaces/default/configmaps";
const headers = { "content-type": "application/json" };

Deno.test("S19 a body that is too large is refused with 413, and nothing of it is sent", async () => {
  await using site = await startFakeSite();
  const body = JSON.stringify({ metadata: { name: "large" }, data: { x: "x".repeat(5_000_000) } });
  for (let i = 0; i < 5; i++) {
    const response = await site.proxy.fetch(PATH, { method: "POST", headers, body });
    assert.equal(response.status, 413);
    assert.equal((await response.json()).reason, "RequestEntityTooLarge");
  }
  assert.equal(site.cloud.audit.count({ verb: "create" }), 0);
});

Deno.test("S19 a write whose answer breaks off is sent once, however it breaks", async (t) => {
  for (const kind of ["cut", "truncate"] as const) {
    await t.step(kind, async () => {
      await using site = await startFakeSite();
      site.cloud.faults.next({ kind, afterBytes: 20 }, ({ verb }) => verb === "create");
      const body = JSON.stringify({ metadata: { name: "a" } });
      const response = await site.proxy.fetch(PATH, { method: "POST", headers, body });
      assert.equal(response.status, 504);
      assert.match((await response.json()).message, /outcome is unknown/);
      assert.equal(site.cloud.audit.count({ verb: "create" }), 1);
    });
  }
});
