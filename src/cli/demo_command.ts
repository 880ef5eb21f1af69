import { runDemo } from "../demo/mod.ts";
import { systemClock } from "../kernel/clock.ts";
import { UnavailableError } from "../kernel/errors.ts";
import { createFs } from "../platform/fs.ts";
import { listenForSignals } from "../platform/signals.ts";
import { createRegistry } from "../telemetry/metrics.ts";
import type { AgentContext } from "./context.ts";
import { startDemoAgent } from "./wire.ts";

/** `edge-agent demo`: exit code 1 when something did not go as the story tells it. */
export async function demoCommand(this: AgentContext): Promise<void> {
  const { host } = this;
  const fs = createFs();
  const clock = systemClock;
  const isTerminal = host.isTerminal("stdout");
  using signals = listenForSignals({ reload() {}, stopAgain: () => host.exit(1) });
  const code = await runDemo({
    clock,
    fs,
    makeTempDir: (prefix) => host.makeTempDir(prefix),
    removeTempDir: (path) => host.removeTempDir(path),
    // A registry for each start: the story restarts its agent in this process.
    startAgent: (options) =>
      startDemoAgent(options, { clock, fs, host, registry: createRegistry() }),
    print: (text) => host.write("stdout", text),
    isTerminal,
    color: isTerminal && !host.noColor,
    signal: signals.stop,
  });
  if (signals.stop.aborted) throw new UnavailableError("The demo was interrupted");
  if (code !== 0) throw new UnavailableError("The demo did not go as it should: see above");
}
