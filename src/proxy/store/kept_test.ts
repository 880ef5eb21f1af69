import assert from "node:assert/strict";
import { text, utf8 } from "../../../tests/testing/arbitraries.ts";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import { MemoryStore } from "../../../tests/testing/memory_store.ts";
import { discoveryKey, KeptAnswers, objectAnswerKey, provenKey } from "./kept.ts";

const PODS = { group: "", version: "v1", resource: "pods" };
const JSON_TYPE = "application/json";
const AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const PROTOBUF = "application/com.github.proto-openapi.spec.v3@v1.0+protobuf";

function setUp() {
  const clock = new FakeClock();
  return { clock, kept: new KeptAnswers(new MemoryStore().asStateStore(), clock) };
}

const answer = (body: string, headers: Record<string, string> = {}) => ({
  status: 200,
  headers,
  body: utf8(body),
});

Deno.test("keep() keeps the headers worth repeating and the time", () => {
  const { kept, clock } = setUp();
  const headers = {
    "content-type": JSON_TYPE,
    etag: '"1"',
    "audit-id": "x",
    date: "today",
    "set-cookie": "secret",
    warning: "299",
  };
  kept.keep("k", answer("{}", headers), "7");
  assert.deepEqual(kept.get("k"), {
    status: 200,
    headers: { "content-type": JSON_TYPE, etag: '"1"' },
    body: utf8("{}"),
    resourceVersion: "7",
    atMs: clock.now(),
  });
});

Deno.test("forgetObject() forgets every representation of that object alone", () => {
  const { kept } = setUp();
  const key = (object: string, variant: string, caller = "identity:a") =>
    objectAnswerKey(caller, PODS, object, variant);
  const gone = ["object", "metadata", "table"].map((variant) => key("ns/a", variant));
  const stays = [key("ns/b", "object"), key("ns/a", "object", "identity:b")];
  for (const each of [...gone, ...stays]) kept.keep(each, answer("{}"));
  kept.forgetObject("identity:a", PODS, "ns/a");
  assert.deepEqual(gone.map((each) => kept.get(each)), [undefined, undefined, undefined]);
  for (const each of stays) assert.notEqual(kept.get(each), undefined);
});

Deno.test.each([
  { name: "the one kept under the very header", accept: JSON_TYPE, want: "plain" },
  { name: "the aggregated one when asked for", accept: AGGREGATED, want: "aggregated" },
  {
    name: "the first that suits a list of ranges",
    accept: `${AGGREGATED},${JSON_TYPE}`,
    want: "aggregated",
  },
  { name: "by falling weight", accept: `${AGGREGATED};q=0.5,${JSON_TYPE};q=0.9`, want: "plain" },
  { name: "what there is for anything", accept: "*/*", want: "any" },
  { name: "none in an encoding that was never kept", accept: PROTOBUF, want: undefined },
])("discovery() finds $name", ({ accept, want }) => {
  const { kept } = setUp();
  kept.keep(discoveryKey("/apis", JSON_TYPE), answer("plain", { "content-type": JSON_TYPE }));
  kept.keep(
    discoveryKey("/apis", AGGREGATED),
    answer("aggregated", { "content-type": AGGREGATED }),
  );
  kept.keep(discoveryKey("/api", null), answer("other path", { "content-type": JSON_TYPE }));
  const found = kept.discovery("/apis", accept);
  const body = found && text(found.body);
  if (want === "any") assert.ok(body === "plain" || body === "aggregated");
  else assert.equal(body, want);
});

Deno.test("discovery() never takes a longer path for a shorter one", () => {
  const { kept } = setUp();
  kept.keep(discoveryKey("/apis/apps", JSON_TYPE), answer("x", { "content-type": JSON_TYPE }));
  assert.equal(kept.discovery("/apis", JSON_TYPE), undefined);
});

Deno.test("keys of different things never meet", () => {
  const keys = [
    objectAnswerKey("identity:a", PODS, "ns/x", "object"),
    objectAnswerKey("identity:a", PODS, "ns/x", "metadata"),
    objectAnswerKey("identity:a", PODS, "ns/x", "object/status"),
    objectAnswerKey("identity:a", { ...PODS, group: "metrics.k8s.io" }, "ns/x", "object"),
    objectAnswerKey("identity:b", PODS, "ns/x", "object"),
    objectAnswerKey("identity:a", PODS, "x", "object"),
    discoveryKey("/api", null),
    discoveryKey("/api", JSON_TYPE),
    provenKey("identity:a"),
    provenKey("bearer:x"),
  ];
  assert.equal(new Set(keys).size, keys.length);
});
