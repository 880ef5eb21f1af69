import assert from "node:assert/strict";
import { FakeClock } from "../../tests/testing/fake_clock.ts";
import { StubHost } from "../../tests/testing/stub_host.ts";
import {
  addModuleMetrics,
  addProcessMetrics,
  addUncaughtMetric,
  createRegistry,
} from "./metrics.ts";

async function sample(registry: { metrics(): Promise<string> }): Promise<Map<string, number>> {
  const lines = (await registry.metrics()).split("\n").filter((line) => /^[a-z]/.test(line));
  return new Map(lines.map((line) => {
    const end = line.lastIndexOf(" ");
    return [line.slice(0, end), Number(line.slice(end + 1))];
  }));
}

Deno.test("addProcessMetrics() reports build, memory and uptime as of the scrape", async () => {
  const registry = createRegistry();
  const clock = new FakeClock(1_000_000);
  addProcessMetrics(registry, { host: new StubHost(), clock, version: "1.2.3" });
  await clock.advance(90_000);
  assert.deepEqual(
    [...await sample(registry)],
    [
      ['edge_agent_process_build_info{version="1.2.3",deno="2.9.6",os="linux",arch="x86_64"}', 1],
      ["edge_agent_process_start_time_seconds", 1_000],
      ["edge_agent_process_uptime_seconds", 90],
      ["edge_agent_process_resident_memory_bytes", 50_000_000],
      ["edge_agent_process_heap_bytes", 8_000_000],
    ],
  );
});

Deno.test("addModuleMetrics() follows the readiness of each module", async () => {
  const registry = createRegistry();
  let reason: string | undefined = "starting";
  const module = {
    name: "proxy",
    start: () => Promise.resolve(),
    notReady: () => reason,
    status: () => ({}),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  addModuleMetrics(registry, () => [module]);
  assert.equal((await sample(registry)).get('edge_agent_module_ready_info{module="proxy"}'), 0);
  reason = undefined;
  assert.equal((await sample(registry)).get('edge_agent_module_ready_info{module="proxy"}'), 1);
});

Deno.test("createRegistry() gives registries that share nothing", async () => {
  addModuleMetrics(createRegistry(), () => []);
  assert.equal((await sample(createRegistry())).size, 0);
});

Deno.test("addUncaughtMetric() starts at 0 and counts", async () => {
  const registry = createRegistry();
  const count = addUncaughtMetric(registry);
  assert.equal((await sample(registry)).get("edge_agent_process_uncaught_errors_total"), 0);
  count();
  assert.equal((await sample(registry)).get("edge_agent_process_uncaught_errors_total"), 1);
});
