import assert from "node:assert/strict";
import { UnavailableError } from "../../src/kernel/errors.ts";
import { createAdmin } from "../../src/telemetry/admin.ts";
import { moduleLogger } from "../../src/telemetry/logger.ts";
import { createRegistry } from "../../src/telemetry/metrics.ts";
import { StubModule } from "../testing/stub_module.ts";

const ports = () => ({
  modules: () => [new StubModule("proxy", { status: { link: "up" } })],
  registry: createRegistry(),
  about: () => ({ version: "1.2.3" }),
  hostNames: ["edge-1"],
  logger: moduleLogger("admin"),
});

/** Speaks HTTP by hand, as fetch would not send a foreign Host. */
async function rawGet(port: number, head: string): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(head));
  return await new Response(connection.readable).text();
}

Deno.test("createAdmin() serves from start until disposed", async () => {
  const admin = createAdmin({ hostname: "127.0.0.1", port: 0 }, ports());
  assert.equal(admin.notReady(), "not started");
  assert.throws(() => admin.url, UnavailableError);
  await admin.start(new AbortController().signal);
  const { url } = admin;
  assert.equal(admin.notReady(), undefined);
  assert.deepEqual(admin.status(), { url });
  const response = await fetch(`${url}/readyz?verbose`);
  assert.equal(await response.text(), "[+]proxy ok\nreadyz check passed\n");
  await admin[Symbol.asyncDispose]();
  await assert.rejects(fetch(`${url}/livez`));
});

Deno.test("createAdmin() refuses a Host that is not its own", async () => {
  await using admin = createAdmin({ hostname: "127.0.0.1", port: 0 }, ports());
  await admin.start(new AbortController().signal);
  const port = Number(new URL(admin.url).port);
  const get = (host: string) =>
    rawGet(port, `GET /status HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  assert.match(await get(`evil.example:${port}`), /^HTTP\/1\.1 403 /);
  assert.match(await get(`127.0.0.1:${port}`), /^HTTP\/1\.1 200 /);
  assert.match(await get("edge-1"), /^HTTP\/1\.1 200 /);
});

Deno.test("createAdmin() serves on IPv6 and spells its URL so", async () => {
  await using admin = createAdmin({ hostname: "::1", port: 0 }, ports());
  await admin.start(new AbortController().signal);
  assert.match(admin.url, /^http:\/\/\[::1\]:\d+$/);
  assert.equal(await (await fetch(`${admin.url}/livez`)).text(), "ok\n");
});

Deno.test("createAdmin() names address and mend when the port is taken", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr;
  const admin = createAdmin({ hostname: "127.0.0.1", port }, ports());
  await assert.rejects(
    admin.start(new AbortController().signal),
    (error) => error instanceof UnavailableError && error.message.includes(`127.0.0.1:${port}`),
  );
});
