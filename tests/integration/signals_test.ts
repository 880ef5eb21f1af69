import assert from "node:assert/strict";
import { listenForSignals } from "../../src/platform/signals.ts";

Deno.test("listenForSignals() tells reload, the first stop and each further one apart", async () => {
  // Listeners for signals alone do not keep a program running.
  const alive = setInterval(() => {}, 1_000);
  using _end = { [Symbol.dispose]: () => clearInterval(alive) };
  const reloaded = Promise.withResolvers<void>();
  const stoppedAgain = Promise.withResolvers<void>();
  using signals = listenForSignals({
    reload: () => reloaded.resolve(),
    stopAgain: () => stoppedAgain.resolve(),
  });
  const stopped = new Promise((resolve) => signals.stop.addEventListener("abort", resolve));

  Deno.kill(Deno.pid, "SIGHUP");
  await reloaded.promise;
  assert.equal(signals.stop.aborted, false);

  Deno.kill(Deno.pid, "SIGTERM");
  await stopped;
  assert.equal(signals.stop.reason, "SIGTERM");

  Deno.kill(Deno.pid, "SIGTERM");
  await stoppedAgain.promise;
  assert.equal(signals.stop.reason, "SIGTERM");
});
