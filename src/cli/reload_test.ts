import assert from "node:assert/strict";
import { configureSync, getLogger, resetSync } from "@logtape/logtape";
import { UsageError } from "../kernel/errors.ts";
import { StubModule } from "../../tests/testing/stub_module.ts";
import { ProxyConfig } from "../proxy/config.ts";
import { AgentConfig } from "./agent_config.ts";
import { applyConfig, changedPaths } from "./reload.ts";

const proxySection = (listen: string) =>
  ProxyConfig.parse({ listen, upstream: { server: "https://10.0.0.1:6443" } });

const base = AgentConfig.parse({});
const withProxy = { ...base, proxy: proxySection("127.0.0.1:1") };
const withOtherPort = { ...base, proxy: proxySection("127.0.0.1:2") };

/** Applies `next` to an agent that runs `current`, and keeps the log. */
async function apply(
  current: AgentConfig,
  next: AgentConfig,
  reload?: (section: unknown) => Promise<void>,
) {
  const records: { level: string; data: Record<string, unknown> }[] = [];
  configureSync({
    reset: true,
    sinks: { all: ({ level, properties: data }) => void records.push({ level, data }) },
    loggers: [
      { category: "test", sinks: ["all"] },
      { category: ["logtape", "meta"], sinks: [] },
    ],
  });
  const module = Object.assign(new StubModule("proxy"), reload && { reload });
  const levels: string[] = [];
  try {
    const effective = await applyConfig(current, next, {
      modules: [{ module: new StubModule("admin") }, { module, section: "proxy" }],
      logger: getLogger("test"),
      setLog: ({ level }) => levels.push(level),
    });
    return { effective, records, levels };
  } finally {
    resetSync();
  }
}

Deno.test.each([
  { name: "nothing", before: { a: { b: 1 } }, after: { a: { b: 1 } }, want: [] },
  { name: "a value", before: { a: { b: 1, c: 2 } }, after: { a: { b: 3, c: 2 } }, want: ["a.b"] },
  { name: "a section that came", before: {}, after: { a: { b: 1 } }, want: ["a"] },
  { name: "a section that went", before: { a: { b: 1 } }, after: {}, want: ["a"] },
  { name: "a list as a whole", before: { a: [1, { b: 2 }] }, after: { a: [1] }, want: ["a"] },
  { name: "no equal list", before: { a: [{ b: 2 }] }, after: { a: [{ b: 2 }] }, want: [] },
])("changedPaths() gives $name", ({ before, after, want }) => {
  assert.deepEqual(changedPaths(before, after), want);
});

Deno.test("applyConfig() sets the log at once", async () => {
  const next = { ...base, log: { ...base.log, level: "debug" as const } };
  const { effective, records, levels } = await apply(base, next);
  assert.deepEqual(levels, ["debug"]);
  assert.deepEqual(effective, next);
  assert.deepEqual(records, [{ level: "info", data: { applied: ["log.level"] } }]);
});

Deno.test("applyConfig() hands a changed section to its module", async () => {
  const seen: unknown[] = [];
  const { effective, records } = await apply(
    withProxy,
    withOtherPort,
    (section) => Promise.resolve(void seen.push(section)),
  );
  assert.deepEqual(seen, [withOtherPort.proxy]);
  assert.deepEqual(effective, withOtherPort);
  assert.deepEqual(records[0]?.data, { applied: ["proxy.listen.port"] });
});

Deno.test("applyConfig() says what needs a restart and still does so the next time", async () => {
  const first = await apply(withProxy, withOtherPort);
  assert.deepEqual(first.effective, withProxy);
  const second = await apply(first.effective, withOtherPort);
  assert.deepEqual(second.records, [{
    level: "warning",
    data: { applied: [], needRestart: ["proxy.listen.port"] },
  }]);
});

Deno.test("applyConfig() keeps the section of a module that refuses the new one", async () => {
  const { effective, records } = await apply(
    withProxy,
    withOtherPort,
    () => Promise.reject(new UsageError("port is fixed")),
  );
  assert.deepEqual(effective, withProxy);
  assert.deepEqual(records.map(({ level, data }) => [level, data.error ?? data.needRestart]), [
    ["error", "port is fixed"],
    ["warning", ["proxy.listen.port"]],
  ]);
});

Deno.test("applyConfig() does not enable or disable a module", async () => {
  assert.deepEqual((await apply(base, withProxy)).records[0]?.data.needRestart, ["proxy"]);
  assert.deepEqual((await apply(withProxy, base)).records[0]?.data.needRestart, ["proxy"]);
});
