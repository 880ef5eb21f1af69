import assert from "node:assert/strict";
import { remoteLink } from "../../src/cli/snapshot_wiring.ts";
import { serveHttp } from "../../src/platform/net.ts";
import { until } from "../cluster/poll.ts";
import { FakeClock } from "../testing/fake_clock.ts";

Deno.test("remoteLink() does not take the last word of a process that hangs for its state now", async () => {
  const hanging = Promise.withResolvers<Response>();
  let asked = 0;
  await using server = serveHttp({ hostname: "127.0.0.1", port: 0 }, () => {
    if (asked++ > 0) return hanging.promise;
    return Response.json({ modules: [{ name: "proxy", status: { link: { state: "up" } } }] });
  });
  const clock = new FakeClock();
  const stop = new AbortController();
  const link = remoteLink(`http://127.0.0.1:${server.port}/status`, clock);
  const running = link.run!(stop.signal);
  await until("the first answer", () => link.state === "up");
  await clock.advance(2_000);
  await until("the second question", () => asked === 2);
  await clock.advance(10_000);
  try {
    await until("the silence to be noticed", () => link.state === "unknown", { timeoutMs: 2_000 });
  } finally {
    stop.abort();
    await running;
    hanging.resolve(new Response());
  }
  assert.equal(clock.pending, 0);
});
