import assert from "node:assert/strict";
import { getLogger } from "@logtape/logtape";
import { FakeClock } from "../../tests/testing/fake_clock.ts";
import { type Exec, ProgramError } from "../platform/exec.ts";
import { watchKernel } from "./kernel_watch.ts";

const logger = getLogger(["edge-agent", "test"]);

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
