import assert from "node:assert/strict";
import { Registry } from "prom-client";
import { FakeClock } from "../../tests/testing/fake_clock.ts";
import type { UpstreamStatus } from "./forward/forwarder.ts";
import { createDnsMetrics } from "./metrics.ts";
import { ClusterZone } from "./zone/cluster_zone.ts";

Deno.test("createDnsMetrics() shows the state of the name servers that are asked, and of no others", async () => {
  const registry = new Registry();
  let upstreams: UpstreamStatus[] = [{ upstream: "10.0.0.1:53", state: "up" }];
  createDnsMetrics(registry, new ClusterZone({}, new FakeClock()), () => upstreams);
  const states = async () => {
    const text = await registry.getSingleMetricAsString("edge_agent_dns_upstream_state_info");
    return text.split("\n").filter((line) => !line.startsWith("#"));
  };
  assert.deepEqual(await states(), [
    'edge_agent_dns_upstream_state_info{upstream="10.0.0.1:53",zone=".",state="up"} 1',
  ]);
  upstreams = [{ upstream: "10.0.0.2:53", zone: "lan", state: "down" }];
  assert.deepEqual(await states(), [
    'edge_agent_dns_upstream_state_info{upstream="10.0.0.2:53",zone="lan",state="down"} 1',
  ]);
});
