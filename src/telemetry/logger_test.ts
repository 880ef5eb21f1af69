import assert from "node:assert/strict";
import { resetSync } from "@logtape/logtape";
import { type LogOptions, moduleLogger, startLogging } from "./logger.ts";

/** Runs `body` with a log that goes into the returned lines. */
function captured(options: Partial<LogOptions>, body: () => void): string[] {
  const lines: string[] = [];
  startLogging({
    level: "info",
    format: "auto",
    isTerminal: false,
    color: false,
    write: (line) => lines.push(line),
    ...options,
  });
  try {
    body();
  } finally {
    resetSync();
  }
  return lines;
}

Deno.test("startLogging() writes one JSON object a line when stderr is no terminal", () => {
  const lines = captured({}, () => {
    moduleLogger("proxy").warn("Upstream is gone", {
      server: "https://a:6443",
      token: "abc",
      n: 1,
    });
    moduleLogger("proxy").info("Two\nlines");
  });
  const [first = "", second = ""] = lines;
  const { ts, ...rest } = JSON.parse(first);
  assert.match(ts, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual(rest, {
    level: "warn",
    category: "edge-agent.proxy",
    message: "Upstream is gone",
    data: { server: "https://a:6443", token: "***", n: 1 },
  });
  assert.ok(first.endsWith("}\n"));
  assert.equal(JSON.parse(second).message, "Two lines");
  assert.equal("data" in JSON.parse(second), false);
});

Deno.test("startLogging() writes readable lines when stderr is a terminal", () => {
  const [line = ""] = captured({ isTerminal: true }, () => {
    moduleLogger("proxy").info("Listening", {
      url: "https://127.0.0.1:51003",
      note: "a b\n\x1b[2J",
    });
  });
  assert.match(line, /^\d\d:\d\d:\d\d\.\d{3} INFO {2}proxy {2}Listening url=https:/);
  assert.ok(line.endsWith(String.raw`note="a b\n\u001b[2J"` + "\n"), line);
});

Deno.test("startLogging() colours the text when told to", () => {
  const [line = ""] = captured({ format: "text", color: true }, () => {
    moduleLogger("cli").error("Failed");
  });
  assert.ok(line.includes("\x1b[31mERROR\x1b[0m"));
});

Deno.test.each(
  [
    { level: "debug", want: ["debug", "info", "warn", "error"] },
    { level: "info", want: ["info", "warn", "error"] },
    { level: "warn", want: ["warn", "error"] },
    { level: "error", want: ["error"] },
  ] as const,
)("startLogging() drops what is below $level", ({ level, want }) => {
  const lines = captured({ level, format: "json" }, () => {
    const logger = moduleLogger("x");
    logger.debug("m");
    logger.info("m");
    logger.warn("m");
    logger.error("m");
  });
  assert.deepEqual(lines.map((line) => JSON.parse(line).level), want);
});

Deno.test("startLogging() takes effect on loggers that exist when called again", () => {
  const logger = moduleLogger("x");
  captured({ level: "error" }, () => {
    logger.info("dropped");
    const lines = captured({ level: "info" }, () => logger.info("kept"));
    assert.equal(lines.length, 1);
  });
});
