import assert from "node:assert/strict";
import { isIP } from "node:net";
import fc from "fast-check";
import { FUZZ_RUNS, jsonValue } from "../../../tests/testing/arbitraries.ts";
import { parseCachedResult } from "./cached_results.ts";
import { parseCniArgs } from "./cni_args.ts";
import { CniError } from "./cni_error.ts";
import { FakeFs } from "../../../tests/testing/fake_fs.ts";
import { savedPods } from "./former_pods.ts";
import { planConflist } from "./conflist.ts";
import { parseOwner } from "./ip_store.ts";
import { parseRequest, withIps } from "./plugin_request.ts";
import { formatRecord, parseRecord } from "./pod_records.ts";

const ENV = {
  CNI_COMMAND: "ADD",
  CNI_CONTAINERID: "c1",
  CNI_NETNS: "/var/run/netns/x",
  CNI_IFNAME: "eth0",
  CNI_PATH: "/opt/cni/bin",
};
const CONF = { cniVersion: "0.3.1", name: "cbr0", ipam: { subnet: "10.0.0.0/24" } };

Deno.test.each([
  { name: "no CNI_COMMAND", env: { CNI_COMMAND: "" }, code: 4 },
  { name: "an unknown command", env: { CNI_COMMAND: "toString" }, code: 4 },
  { name: "no container", env: { CNI_CONTAINERID: "" }, code: 4 },
  { name: "no namespace", env: { CNI_NETNS: "" }, code: 4 },
  { name: "no CNI_PATH", env: { CNI_PATH: "" }, code: 4 },
  { name: "a path as container", env: { CNI_CONTAINERID: "../../x" }, code: 4 },
  { name: "a line end in a container", env: { CNI_CONTAINERID: "a\n" }, code: 4 },
  { name: "a path as interface", env: { CNI_IFNAME: "a/../b" }, code: 4 },
  { name: "two dots as interface", env: { CNI_IFNAME: ".." }, code: 4 },
  { name: "a long interface", env: { CNI_IFNAME: "a".repeat(16) }, code: 4 },
])("parseRequest() refuses $name", ({ env, code }) => {
  assert.throws(
    () => parseRequest({ ...ENV, ...env } as Record<string, string>, JSON.stringify(CONF)),
    (error) => error instanceof CniError && error.cniCode === code,
  );
});

Deno.test.each([
  { name: "nothing", stdin: "", code: 6 },
  { name: "broken JSON", stdin: "{", code: 6 },
  { name: "an array", stdin: "[]", code: 6 },
  { name: "no name", stdin: "{}", code: 7 },
  { name: "a path as name", stdin: '{"name":"../etc"}', code: 7 },
  { name: "a number as name", stdin: '{"name":7}', code: 7 },
  { name: "a relative store", stdin: '{"name":"a","ipam":{"dataDir":"x"}}', code: 7 },
])("parseRequest() refuses a config of $name", ({ stdin, code }) => {
  assert.throws(
    () => parseRequest(ENV, stdin),
    (error) => error instanceof CniError && error.cniCode === code,
  );
});

Deno.test("parseRequest() takes a DEL after a reboot, which has no namespace", () => {
  const request = parseRequest({ ...ENV, CNI_COMMAND: "DEL", CNI_NETNS: "" }, JSON.stringify(CONF));
  assert.equal(request.netns, "");
});

Deno.test.each([
  { args: "K8S_POD_NAMESPACE=a;K8S_POD_NAME=b", want: { namespace: "a", name: "b" } },
  { args: "K8S_POD_NAME=b", want: undefined },
  { args: "K8S_POD_NAMESPACE=../a;K8S_POD_NAME=b", want: undefined },
  { args: "K8S_POD_NAMESPACE=a;K8S_POD_NAME=b\r\nc", want: undefined },
  { args: ";;=;=x;a=b=c;K8S_POD_NAMESPACE=a;K8S_POD_NAME=b", want: { namespace: "a", name: "b" } },
])("parseRequest() finds the pod in $args", ({ args, want }) => {
  assert.deepEqual(parseRequest({ ...ENV, CNI_ARGS: args }, JSON.stringify(CONF)).pod, want);
});

Deno.test("withIps() keeps everything else", () => {
  const conf = { ...CONF, args: { other: 1, cni: { labels: [] } } };
  assert.deepEqual(JSON.parse(withIps(conf, ["10.0.0.2"])), {
    ...conf,
    args: { other: 1, cni: { labels: [], ips: ["10.0.0.2"] } },
  });
});

Deno.test("formatRecord() and parseRecord() undo each other", () => {
  const record = {
    network: "cbr0",
    pod: { namespace: "default", name: "web-0" },
    uid: "u",
    containerID: "c1",
    ifName: "eth0",
    netns: "/var/run/netns/x",
    ips: ["10.0.0.2"],
    timeMs: 1_000,
  };
  assert.deepEqual(parseRecord(formatRecord(record)), record);
});

/** Pieces of everything that the parsers look for, so that more than the first test is reached. */
const texts = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.array(
    fc.constantFrom(
      "edge-agent-hold",
      "\r\n",
      "default/web-0",
      "eth0",
      "c1",
      "\0",
      " ",
      "/",
      "{",
      "}",
    ),
    { maxLength: 6 },
  ).map((parts) => parts.join("")),
  jsonValue.map((value) => JSON.stringify(value)),
  fc.record({
    kind: fc.constantFrom("cniCacheV1", "x"),
    schema: fc.constantFrom(1, 2),
    name: fc.oneof(fc.constant("cbr0"), jsonValue),
    namespace: fc.oneof(fc.constant("default"), jsonValue),
    networkName: fc.oneof(fc.constant("cbr0"), jsonValue),
    containerId: fc.oneof(fc.constant("c1"), jsonValue),
    containerID: fc.oneof(fc.constant("c1"), jsonValue),
    ifName: fc.oneof(fc.constant("eth0"), jsonValue),
    time: fc.oneof(fc.constant("2026-01-01T00:00:00Z"), jsonValue),
    ips: jsonValue,
    ipam: fc.oneof(jsonValue, fc.record({ ranges: jsonValue, subnet: jsonValue })),
    args: jsonValue,
    runtimeConfig: jsonValue,
    cniArgs: jsonValue,
    result: jsonValue,
    plugins: fc.oneof(
      jsonValue,
      fc.array(fc.record({ type: fc.constant("flannel"), ipam: jsonValue, delegate: jsonValue })),
    ),
  }, { requiredKeys: [] }).map((value) => JSON.stringify(value)),
);

Deno.test("whatever the files say, their parsers give an answer", () => {
  fc.assert(
    fc.property(texts, (text) => {
      parseOwner(text);
      parseRecord(text);
      parseCachedResult(text);
      parseCniArgs(text);
      planConflist([{ name: "10-flannel.conflist", text }, {
        name: "05-edge-agent.conflist",
        text,
      }]);
    }),
    { numRuns: FUZZ_RUNS },
  );
});

Deno.test("whatever the saved network says, its pod table gives an answer", async () => {
  const row = fc.record({
    network: fc.oneof(fc.constant("cbr0"), jsonValue),
    namespace: fc.oneof(fc.constant("default"), jsonValue),
    name: fc.oneof(fc.constant("web-0"), jsonValue),
    ips: fc.oneof(jsonValue, fc.array(fc.oneof(fc.ipV4(), fc.ipV6(), jsonValue))),
  });
  const content = fc.record({ pods: fc.oneof(jsonValue, fc.array(fc.oneof(row, jsonValue))) });
  const text = fc.oneof(texts, fc.record({ content }).map((value) => JSON.stringify(value)));
  await fc.assert(
    fc.asyncProperty(text, async (text) => {
      const saved = savedPods(new FakeFs({ "/network.json": text }), "/network.json");
      const ips = await saved.ipsOf("cbr0", { namespace: "default", name: "web-0" });
      assert.ok(ips.every((ip) => isIP(ip) !== 0));
    }),
    { numRuns: Math.ceil(FUZZ_RUNS / 10) },
  );
});

Deno.test("whatever comes in, a request is read or refused with a code", () => {
  const env = fc.record({
    CNI_COMMAND: fc.constantFrom("ADD", "DEL", "GC", "STATUS", "CHECK", "VERSION", "x"),
    CNI_CONTAINERID: fc.oneof(fc.constant("c1"), fc.string({ maxLength: 9 })),
    CNI_NETNS: fc.string({ maxLength: 9 }),
    CNI_IFNAME: fc.oneof(fc.constant("eth0"), fc.string({ maxLength: 17 })),
    CNI_PATH: fc.constant("/opt/cni/bin"),
    CNI_ARGS: fc.oneof(fc.string(), fc.constant("K8S_POD_NAMESPACE=a;K8S_POD_NAME=b;IP=1.2.3.4")),
  }, { requiredKeys: ["CNI_COMMAND"] });
  fc.assert(
    fc.property(env, texts, (env, stdin) => {
      try {
        const { containerID, ifName, network } = parseRequest(env as Record<string, string>, stdin);
        assert.doesNotMatch(`${containerID}${ifName}${network}`, /[/\0\n]/);
      } catch (error) {
        assert.ok(error instanceof CniError, String(error));
      }
    }),
    { numRuns: FUZZ_RUNS },
  );
});
