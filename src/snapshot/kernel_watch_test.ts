import assert from "node:assert/strict";
import { getLogger } from "@logtape/logtape";
import { FakeClock } from "../../tests/testing/fake_clock.ts";
import { type Exec, ProgramError } from "../platform/exec.ts";
import { watchKernel } from "./kernel_watch.ts";

const logger = getLogger(["edge-agent", "test"]);

/** What `ip -o monitor` of iproute2 6.1 says. */
const EVENTS = [
  {
    line: "5: flannel.1    inet 10.244.1.0/32 scope global flannel.1 \\       valid_lft",
    told: true,
  },
  { line: "10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink ", told: true },
  { line: "10.244.2.0 dev flannel.1 lladdr 8a:00:00:00:00:07 PERMANENT ", told: true },
  { line: "192.168.5.2 dev flannel.1 lladdr 8a:00:00:00:00:07 NOARP PERMANENT ", told: true },
  { line: "Deleted 10.244.2.0 dev flannel.1 FAILED ", told: true },
  { line: "fd00:10:2:: dev flannel-v6.1 lladdr 8a:00:00:00:00:07 PERMANENT ", told: true },
  { line: "10.1.0.7 dev cni0 lladdr 8a:00:00:00:00:77 STALE ", told: false },
  { line: "192.168.5.99 dev eth0 FAILED ", told: false },
  { line: "Deleted fe80::1 dev eth0 lladdr 8a:00:00:00:00:77 router STALE ", told: false },
  { line: "dev cni0 lladdr 8a:00:00:00:00:77 REACHABLE ", told: false },
];

Deno.test.each(EVENTS)("watchKernel() tells of $line: $told", async ({ line, told }) => {
  const clock = new FakeClock();
  const stop = new AbortController();
  const exec: Pick<Exec, "lines"> = {
    async *lines(argv) {
      await Promise.resolve();
      assert.deepEqual(argv.slice(0, 3), ["ip", "-o", "monitor"]);
      assert.ok(argv.includes("neigh"));
      yield line;
    },
  };
  let changes = 0;
  const changed = () => void changes++;
  const ports = { exec: exec as Exec, clock, logger };
  const watching = watchKernel(ports, { changed, pauseMs: 30_000 }, stop.signal);
  await clock.advance(0);
  assert.equal(changes, told ? 1 : 0);
  stop.abort();
  await watching;
});

Deno.test("watchKernel() tells of each event, and of the time in which it heard none", async () => {
  const clock = new FakeClock();
  const stop = new AbortController();
  let starts = 0;
  const exec: Pick<Exec, "lines"> = {
    async *lines() {
      await Promise.resolve();
      if (starts++ > 0) throw new ProgramError("ip", "no such program");
      yield* ["2: eth0", "3: veth0"];
    },
  };
  let changes = 0;
  const changed = () => void changes++;
  const watching = watchKernel(
    { exec: exec as Exec, clock, logger },
    { changed, pauseMs: 30_000 },
    stop.signal,
  );
  await clock.advance(0);
  assert.deepEqual([starts, changes], [1, 2]);
  await clock.advance(30_000);
  assert.deepEqual([starts, changes], [2, 3]);
  stop.abort();
  await watching;
  assert.equal(clock.pending, 0);
});
