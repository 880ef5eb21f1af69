import assert from "node:assert/strict";
import { getLogger } from "@logtape/logtape";
import * as fc from "fast-check";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import { FakeFs } from "../../../tests/testing/fake_fs.ts";
import { TYPE } from "../wire/record_type.ts";
import { ClusterZone } from "../zone/cluster_zone.ts";
import { explain } from "../zone/explain.ts";
import { toEndpointSliceFacts } from "../zone/endpoint_slice_facts.ts";
import { toServiceFacts } from "../zone/service_facts.ts";
import type { ZoneOptions } from "../zone/zone_options.ts";
import { formatZoneFile, parseZoneFile, ZoneFileError } from "./zone_file.ts";
import { SAVE_EVERY_MS, ZoneKeeper } from "./zone_keeper.ts";

const PATH = "/var/lib/edge-agent/dns.json";
const NAME = "web.shop.svc.cluster.local";

const service = (ip: string) =>
  toServiceFacts({
    metadata: { namespace: "shop", name: "web" },
    spec: { clusterIP: ip, clusterIPs: [ip], ports: [{ name: "http", protocol: "TCP", port: 80 }] },
  });
const services = (ip = "10.96.0.7") => new Map([["shop/web", service(ip)]]);

function newKeeper(fs: FakeFs, clock = new FakeClock(), options: Partial<ZoneOptions> = {}) {
  const zone = new ClusterZone({ pods: "insecure", ...options }, clock);
  const logger = getLogger(["edge-agent", "test"]);
  const keeper = new ZoneKeeper(zone, { fs, clock, logger, path: PATH });
  const outcome = (name = NAME) => {
    const { outcome, records } = explain(zone, name, TYPE.A);
    return [outcome, ...records.map((record) => record.split(" ").at(-1))].join(" ");
  };
  return { zone, keeper, outcome, clock };
}

/** A disk on which a zone was kept. */
async function keptDisk(): Promise<FakeFs> {
  const fs = new FakeFs();
  await fs.mkdir("/var/lib/edge-agent", 0o700);
  const { keeper } = newKeeper(fs);
  keeper.replace("service", services());
  keeper.replace("endpointSlice", new Map());
  keeper.replace("namespace", new Map([["shop", { name: "shop" }]]));
  await keeper.save();
  return fs;
}

Deno.test("S41 ZoneKeeper answers from its file before anybody was asked, NXDOMAIN too", async () => {
  const { keeper, outcome } = newKeeper(await keptDisk());
  assert.equal(outcome("nothing.shop.svc.cluster.local"), "SERVFAIL");
  await keeper.load();
  assert.equal(keeper.origin, "file");
  assert.match(outcome(), /^NOERROR .*10\.96\.0\.7$/);
  assert.equal(outcome("nothing.shop.svc.cluster.local").split(" ")[0], "NXDOMAIN");
});

Deno.test("S41 ZoneKeeper without a file waits for the cluster: SERVFAIL until it has been listed", async () => {
  const { keeper, outcome } = newKeeper(new FakeFs());
  await keeper.load();
  assert.equal(keeper.origin, "nowhere");
  keeper.replace("service", services());
  assert.equal(outcome("nothing.shop.svc.cluster.local"), "SERVFAIL");
  keeper.replace("endpointSlice", new Map());
  assert.equal(keeper.origin, "cluster");
  assert.equal(outcome("nothing.shop.svc.cluster.local").split(" ")[0], "NXDOMAIN");
});

Deno.test("S44 ZoneKeeper takes the cluster's word over its file", async () => {
  const { keeper, outcome } = newKeeper(await keptDisk());
  await keeper.load();
  keeper.replace("service", services("10.96.0.9"));
  assert.match(outcome(), /10\.96\.0\.9$/);
  keeper.apply({ kind: "service", key: "shop/web", facts: undefined });
  assert.equal(outcome().split(" ")[0], "NXDOMAIN");
});

Deno.test("ZoneKeeper writes a changed zone at most every five minutes, and an unchanged one never", async () => {
  const fs = await keptDisk();
  const { keeper, clock } = newKeeper(fs);
  await keeper.load();
  const stop = new AbortController();
  const running = keeper.run(stop.signal);
  const written = () => fs.calls.filter((call) => call.startsWith("rename")).length;
  const before = written();
  keeper.replace("service", services());
  keeper.replace("endpointSlice", new Map());
  await clock.advance(SAVE_EVERY_MS);
  assert.equal(written(), before, "nothing had changed");
  for (let i = 0; i < 50; i++) {
    keeper.apply({ kind: "service", key: "shop/web", facts: service(`10.96.1.${i}`) });
  }
  await clock.advance(SAVE_EVERY_MS - 1);
  assert.equal(written(), before);
  await clock.advance(1);
  assert.equal(written(), before + 1);
  keeper.apply({ kind: "service", key: "shop/web", facts: service("10.96.2.1") });
  stop.abort();
  await running;
  assert.equal(written(), before + 2);
  assert.equal(fs.modeOf(PATH), 0o600);
});

Deno.test("ZoneKeeper never writes what is less than the whole zone", async () => {
  const fs = await keptDisk();
  const { keeper } = newKeeper(fs);
  keeper.replace("service", new Map());
  await keeper.save();
  const { keeper: next, outcome } = newKeeper(fs);
  await next.load();
  assert.match(outcome(), /10\.96\.0\.7$/);
});

Deno.test("ZoneKeeper tries again after a disk that was full", async () => {
  const fs = await keptDisk();
  const { keeper } = newKeeper(fs);
  keeper.replace("service", services("10.96.0.9"));
  keeper.replace("endpointSlice", new Map());
  fs.fault = (op) => op === "write" ? { code: "ENOSPC" } : undefined;
  await keeper.save();
  fs.fault = () => undefined;
  await keeper.save();
  const { keeper: next, outcome } = newKeeper(fs);
  await next.load();
  assert.match(outcome(), /10\.96\.0\.9$/);
});

Deno.test("S41 a zone file that was damaged or cut off anywhere is never half a zone", async () => {
  const text = await (await keptDisk()).readText(PATH);
  const whole = parseZoneFile(text);
  assert.equal(formatZoneFile(whole), text);
  fc.assert(
    fc.property(fc.nat({ max: text.length - 1 }), fc.integer({ min: 0, max: 127 }), (at, code) => {
      for (
        const bad of [
          text.slice(0, at),
          text.slice(0, at) + String.fromCharCode(code) + text.slice(at + 1),
        ]
      ) {
        try {
          assert.deepEqual(parseZoneFile(bad), whole);
        } catch (error) {
          assert.ok(error instanceof ZoneFileError, String(error));
        }
      }
    }),
    { numRuns: 500 },
  );
});

Deno.test("S41 ZoneKeeper keeps its first zone at once: the power may fail any time", async () => {
  const fs = new FakeFs();
  await fs.mkdir("/var/lib/edge-agent", 0o700);
  const { keeper, clock } = newKeeper(fs);
  await keeper.load();
  const stop = new AbortController();
  const running = keeper.run(stop.signal);
  keeper.replace("service", services());
  await clock.advance(1_000);
  keeper.replace("endpointSlice", new Map());
  keeper.replace("namespace", new Map([["shop", { name: "shop" }]]));
  await clock.advance(10_000);
  const { keeper: next, outcome } = newKeeper(fs);
  await next.load();
  assert.match(outcome(), /10\.96\.0\.7$/);
  stop.abort();
  await running;
});

Deno.test("ZoneKeeper does not write its file for pods, which are not in it", async () => {
  const fs = await keptDisk();
  const { keeper } = newKeeper(fs);
  await keeper.load();
  keeper.replace("service", services());
  keeper.replace("endpointSlice", new Map());
  const before = fs.calls.filter((call) => call.startsWith("rename")).length;
  const facts = { namespace: "shop", name: "a", addresses: ["10.244.1.5"], usualSearch: true };
  keeper.apply({ kind: "pod", key: "shop/a", facts });
  await keeper.save();
  assert.equal(fs.calls.filter((call) => call.startsWith("rename")).length, before);
  assert.equal(keeper.changedAtMs, undefined);
});

Deno.test("ZoneKeeper keeps what changed while it wrote its file and was told to stop", async () => {
  const fs = await keptDisk();
  const { keeper, clock } = newKeeper(fs);
  await keeper.load();
  keeper.replace("service", services("10.96.0.8"));
  keeper.replace("endpointSlice", new Map());
  const stop = new AbortController();
  const running = keeper.run(stop.signal);
  fs.fault = (op) => {
    if (op !== "rename") return undefined;
    fs.fault = () => undefined;
    keeper.apply({ kind: "service", key: "shop/web", facts: service("10.96.0.9") });
    stop.abort();
    return undefined;
  };
  await clock.advance(SAVE_EVERY_MS);
  await running;
  const { keeper: next, outcome } = newKeeper(fs);
  await next.load();
  assert.match(outcome(), /10\.96\.0\.9$/);
});

const NO_SERVICES = ["empty.svc.cluster.local", "10-1-2-3.empty.pod.cluster.local"];

/** What is said of names that depend on a namespace without Services, and of one that does not. */
const saidOf = (outcome: (name: string) => string) =>
  [...NO_SERVICES, "nothing.shop.svc.cluster.local"].map((name) => outcome(name).split(" ")[0]);

Deno.test("S41 ZoneKeeper denies no namespace before Namespaces were listed, also after a restart", async () => {
  const fs = new FakeFs();
  await fs.mkdir("/var/lib/edge-agent", 0o700);
  const first = newKeeper(fs);
  first.keeper.replace("service", services());
  first.keeper.replace("endpointSlice", new Map());
  assert.deepEqual(saidOf(first.outcome), ["SERVFAIL", "SERVFAIL", "NXDOMAIN"]);
  assert.equal(first.outcome("shop.svc.cluster.local").split(" ")[0], "NODATA");
  await first.keeper.save();
  const second = newKeeper(fs);
  await second.keeper.load();
  assert.deepEqual(saidOf(second.outcome), ["SERVFAIL", "SERVFAIL", "NXDOMAIN"]);
  second.keeper.replace("namespace", new Map([["empty", { name: "empty" }]]));
  assert.deepEqual(saidOf(second.outcome), ["NODATA", "NOERROR", "NXDOMAIN"]);
  second.keeper.replace("namespace", new Map());
  assert.deepEqual(saidOf(second.outcome), ["NXDOMAIN", "NXDOMAIN", "NXDOMAIN"]);
});

Deno.test("ZoneKeeper denies namespaces without a Service where nobody may list them, also after a restart", async () => {
  const fs = new FakeFs();
  await fs.mkdir("/var/lib/edge-agent", 0o700);
  const first = newKeeper(fs);
  first.keeper.replace("service", services());
  first.keeper.replace("endpointSlice", new Map());
  await first.keeper.save();
  first.keeper.refuseNamespaces();
  assert.deepEqual(saidOf(first.outcome), ["NXDOMAIN", "NXDOMAIN", "NXDOMAIN"]);
  await first.keeper.save();
  const second = newKeeper(fs);
  await second.keeper.load();
  assert.deepEqual(saidOf(second.outcome), ["NXDOMAIN", "NXDOMAIN", "NXDOMAIN"]);
});

Deno.test("ZoneKeeper reads a file of an agent with the other endpointPodNames, and the cluster makes up for it", async () => {
  const headless = toServiceFacts({
    metadata: { namespace: "shop", name: "db" },
    spec: { clusterIP: "None", ports: [{ name: "sql", protocol: "TCP", port: 5432 }] },
  });
  const slices = (podNames: boolean) => {
    const facts = toEndpointSliceFacts({
      metadata: {
        namespace: "shop",
        name: "db-a",
        labels: { "kubernetes.io/service-name": "db" },
      },
      endpoints: [{ addresses: ["10.1.2.3"], targetRef: { kind: "Pod", name: "db-0" } }],
    }, { podNames });
    return new Map([["shop/db-a", facts]]);
  };
  const fill = (keeper: ZoneKeeper, podNames: boolean) => {
    keeper.replace("service", new Map([["shop/db", headless]]));
    keeper.replace("endpointSlice", slices(podNames));
    keeper.replace("namespace", new Map([["shop", { name: "shop" }]]));
  };
  for (const endpointPodNames of [true, false]) {
    const fs = new FakeFs();
    await fs.mkdir("/var/lib/edge-agent", 0o700);
    const before = newKeeper(fs, new FakeClock(), { endpointPodNames: !endpointPodNames });
    fill(before.keeper, !endpointPodNames);
    await before.keeper.save();
    const after = newKeeper(fs, new FakeClock(), { endpointPodNames });
    await after.keeper.load();
    assert.equal(after.keeper.origin, "file");
    assert.match(after.outcome("db.shop.svc.cluster.local"), /10\.1\.2\.3$/);
    fill(after.keeper, endpointPodNames);
    const own = endpointPodNames ? "db-0" : "10-1-2-3";
    assert.match(after.outcome(`${own}.db.shop.svc.cluster.local`), /10\.1\.2\.3$/);
    assert.deepEqual(after.zone.state.facts("endpointSlice"), slices(endpointPodNames));
  }
});
