/**
 * What the agents of a test have logged.
 *
 * @module
 */

import { configure, getConsoleSink, type LogRecord } from "@logtape/logtape";
import { until } from "../poll.ts";
import { PATIENCE_MS } from "./site.ts";

/** Waits until the agents of this test have logged a message. */
export async function hasLogged(message: string): Promise<void> {
  await until(`the log to say "${message}"`, () => logged.some((record) => record === message), {
    timeoutMs: PATIENCE_MS,
  });
}

/** Messages of the agents since the test began. */
const logged: string[] = [];

/** A new test begins. */
export function forgetLog(): void {
  logged.length = 0;
}

/** Begins to keep the log; `EDGE_AGENT_TEST_LOG=1` shows it as well. */
export async function keepLog(): Promise<void> {
  const keep = ({ message }: LogRecord) => void logged.push(message.join(""));
  const show = Deno.env.get("EDGE_AGENT_TEST_LOG") !== undefined;
  await configure({
    reset: true,
    sinks: { keep, console: getConsoleSink() },
    loggers: [
      {
        category: ["edge-agent"],
        sinks: show ? ["keep", "console"] : ["keep"],
        lowestLevel: "debug",
      },
      { category: ["logtape"], sinks: [], lowestLevel: "fatal" },
    ],
  });
}
