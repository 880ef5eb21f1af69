import assert from "node:assert/strict";
import fc from "fast-check";
import * as z from "zod/mini";
import { ConfigError, type ConfigSources, loadConfig } from "./load.ts";
import { ByteSize, Duration, HostPort } from "./scalars.ts";

const Config = z.strictObject({
  log: z.prefault(
    z.strictObject({ level: z.prefault(z.enum(["debug", "info"]), "info") }),
    {},
  ),
  proxy: z.optional(z.strictObject({
    listen: z.prefault(HostPort, "127.0.0.1:51003"),
    timeout: z.prefault(Duration, "30s"),
    maxBytes: z.prefault(ByteSize, "1Mi"),
    maxEvents: z.prefault(z.int().check(z.minimum(16)), 100),
    passthrough: z.prefault(z.boolean(), true),
    server: z.string(),
    identities: z.prefault(z.array(z.strictObject({ name: z.string() })), []),
    token: z.optional(z.string().check(z.minLength(99, "is too short"))),
  })),
});

const load = (text: string | undefined, rest: Partial<ConfigSources> = {}) =>
  loadConfig(Config, {
    ...(text !== undefined && { file: { path: "/c.yaml", text } }),
    env: {},
    flags: [],
    ...rest,
  });

function issuesOf(text: string | undefined, rest: Partial<ConfigSources> = {}): string[] {
  try {
    load(text, rest);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.issues.map(({ source, message }) => `${source}: ${message}`);
  }
  return [];
}

const flag = (value: unknown) => ({ name: "--log-level", path: ["log", "level"], value });

Deno.test.each([
  { name: "the default without anything", text: "", env: {}, flags: [], want: "info" },
  { name: "the file", text: "log: {level: debug}", env: {}, flags: [], want: "debug" },
  {
    name: "the environment before the file",
    text: "log: {level: debug}",
    env: { EDGE_AGENT_LOG_LEVEL: "info" },
    flags: [],
    want: "info",
  },
  {
    name: "the flag before all",
    text: "log: {level: info}",
    env: { EDGE_AGENT_LOG_LEVEL: "info" },
    flags: [flag("debug")],
    want: "debug",
  },
  {
    name: "the file when the variable is empty",
    text: "log: {level: debug}",
    env: { EDGE_AGENT_LOG_LEVEL: "" },
    flags: [],
    want: "debug",
  },
])("loadConfig() takes $name", ({ text, env, flags, want }) => {
  assert.equal(load(text, { env, flags }).config.log.level, want);
});

Deno.test("loadConfig() reads variables as the schema has them", () => {
  const { config } = load(undefined, {
    env: {
      EDGE_AGENT_PROXY_LISTEN: "[::1]:53",
      EDGE_AGENT_PROXY_TIMEOUT: "5m",
      EDGE_AGENT_PROXY_MAX_BYTES: "2Mi",
      EDGE_AGENT_PROXY_MAX_EVENTS: "512",
      EDGE_AGENT_PROXY_PASSTHROUGH: "false",
      EDGE_AGENT_PROXY_SERVER: "1234",
      EDGE_AGENT_PROXY_IDENTITIES: "[{name: kubelet}, {name: cni}]",
    },
  });
  assert.deepEqual(config.proxy, {
    listen: { hostname: "::1", port: 53 },
    timeout: 300_000,
    maxBytes: 2_097_152,
    maxEvents: 512,
    passthrough: false,
    server: "1234",
    identities: [{ name: "kubelet" }, { name: "cni" }],
  });
});

Deno.test("loadConfig() merges a variable into the section of the file", () => {
  const { config } = load("proxy: {server: a, timeout: 1s}", {
    env: { EDGE_AGENT_PROXY_TIMEOUT: "2s" },
  });
  assert.equal(config.proxy?.server, "a");
  assert.equal(config.proxy?.timeout, 2_000);
});

Deno.test.each([
  {
    name: "an unknown key",
    text: "proxy:\n  server: a\n  lisen: x\n",
    want: [`/c.yaml:3:3: proxy.lisen is no known key (it is "x"): did you mean "proxy.listen"?`],
  },
  {
    name: "a key in the wrong section",
    text: "maxEvents: 5\n",
    want: [`/c.yaml:1:1: maxEvents is no known key (it is 5): did you mean "proxy.maxEvents"?`],
  },
  {
    name: "a key that resembles nothing",
    text: "zzzzzzzz: {a: 1}\n",
    want: [`/c.yaml:1:1: zzzzzzzz is no known key: the keys known here are log, proxy`],
  },
  {
    name: "an unknown section's value of a secret, but not the secret",
    text: "log: {password: hunter2}\n",
    want: [
      `/c.yaml:1:7: log.password is no known key (it is not shown): the keys known here are level`,
    ],
  },
  {
    name: "a wrong secret, but not its value",
    text: "proxy: {server: a, token: hunter2}\n",
    want: [`/c.yaml:1:20: proxy.token is too short (it is not shown)`],
  },
  {
    name: "a missing value",
    text: "proxy:\n  timeout: 1s\n",
    want: [`/c.yaml:1:1: proxy.server is missing`],
  },
  {
    name: "an empty section",
    text: "log:\nproxy:\n",
    want: [
      `/c.yaml:1:1: log is empty: give it a value or remove the key`,
      `/c.yaml:2:1: proxy is empty: give it a value or remove the key`,
    ],
  },
  {
    name: "wrong kinds",
    text: "log: 5\nproxy: {server: 7, identities: kubelet, passthrough: maybe, maxEvents: 1.5}\n",
    want: [
      `/c.yaml:1:1: log must be a section of keys (it is 5)`,
      `/c.yaml:2:61: proxy.maxEvents must be a whole number (it is 1.5)`,
      `/c.yaml:2:41: proxy.passthrough must be true or false (it is "maybe")`,
      `/c.yaml:2:9: proxy.server must be a text (it is 7)`,
      `/c.yaml:2:20: proxy.identities must be a list (it is "kubelet")`,
    ],
  },
  {
    name: "a number that is too small",
    text: "proxy: {server: a, maxEvents: 3}\n",
    want: [`/c.yaml:1:20: proxy.maxEvents must be at least 16 (it is 3)`],
  },
  {
    name: "an unknown word",
    text: "log: {level: debgu}\n",
    want: [
      `/c.yaml:1:7: log.level must be one of "debug", "info", did you mean "debug"? (it is "debgu")`,
    ],
  },
  {
    name: "a duplicate key",
    text: "log: {}\nlog: {}\n",
    want: ["/c.yaml:2:1: Map keys must be unique"],
  },
  {
    name: "a text in place of keys",
    text: "hello\n",
    want: ["/c.yaml:1:1: must be keys with values, such as `stateDir: /var/lib/edge-agent`"],
  },
])("loadConfig() tells $name", ({ text, want }) => {
  assert.deepEqual(issuesOf(text), want);
});

Deno.test("loadConfig() names the variable or the flag that set a wrong value", () => {
  assert.deepEqual(
    issuesOf("proxy: {server: a}", {
      env: {
        EDGE_AGENT_PROXY_LISTEN: "x",
        EDGE_AGENT_PROXY_MAX_EVENTS: "[",
        EDGE_AGENT_PROXY_IDENTITIES: "[{}]",
      },
      flags: [flag("loud")],
    }).map((line) => line.replace(/: .*/, "")),
    [
      "EDGE_AGENT_PROXY_MAX_EVENTS",
      "--log-level",
      "EDGE_AGENT_PROXY_LISTEN",
      "EDGE_AGENT_PROXY_IDENTITIES",
    ],
  );
});

Deno.test("loadConfig() puts everything that is wrong into one message", () => {
  assert.throws(
    () => load("a: 1\nlog: {level: x}\n"),
    /^ConfigError: The configuration has 2 errors:\n {2}\/c\.yaml:2:7: .*\n {2}\/c\.yaml:1:1: /,
  );
});

Deno.test("loadConfig() warns of a variable that is nearly one of its own", () => {
  const env = {
    EDGE_AGENT_LOG_LEVL: "x",
    EDGE_AGENT_PORT_443_TCP_ADDR: "10.96.0.7",
    EDGE_AGENT_BINARY: "/x",
    HOME: "/",
  };
  assert.deepEqual(load("", { env }).warnings, [
    "EDGE_AGENT_LOG_LEVL is not used: did you mean EDGE_AGENT_LOG_LEVEL?",
  ]);
});

Deno.test("loadConfig() gives a config or a ConfigError for any text", () => {
  const words = fc.constantFrom(
    ...["proxy", "log", ":", " ", "\n", "  ", "- ", "{", "}", "[", "]"],
    ...['"', "&a", "*a", "!x", "level", "listen", "null", "1", "?", "|", "<<", "__proto__", "---"],
  );
  fc.assert(
    fc.property(fc.array(words, { maxLength: 25 }), (parts) => {
      try {
        load(parts.join(""));
      } catch (error) {
        assert.ok(error instanceof ConfigError, String(error));
        assert.ok(error.issues.length > 0);
      }
    }),
    { numRuns: Number(Deno.env.get("FUZZ_RUNS") ?? 500) },
  );
});
