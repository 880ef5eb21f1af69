import assert from "node:assert/strict";
import { utf8 } from "../../../tests/testing/arbitraries.ts";
import { createPodHub, relist } from "../../../tests/testing/hub_cloud.ts";
import { MemoryStore } from "../../../tests/testing/memory_store.ts";
import type { Hub } from "../hub/hub.ts";
import { DamagedError } from "../store/rows.ts";
import { ListTee } from "./list_tee.ts";

const pod = (name: string) => `{"metadata":{"name":"${name}","uid":"u","resourceVersion":"3"}}`;

function body(version: number, names: string[], token = ""): string {
  const metadata = `{"resourceVersion":"${version}"${token && `,"continue":"${token}"`}}`;
  return `{"kind":"PodList","apiVersion":"v1","metadata":${metadata},"items":[${names.map(pod)}]}`;
}

const names = (hub: Hub) => [...hub.content.versions().keys()];

function setUp() {
  const hub = createPodHub(new MemoryStore());
  const tee = new ListTee();
  const pass = (text: string, token = "", mayKeep = () => true) =>
    tee.pass(new Response(text, { headers: { "x-a": "b" } }), hub, token, mayKeep);
  return { hub, pass };
}

Deno.test("pass() changes nothing of the response and keeps the list", async () => {
  const { hub, pass } = setUp();
  const text = ` ${body(7, ["a", "b"])}\n`;
  const response = pass(text);
  assert.equal(response.headers.get("x-a"), "b");
  assert.equal(hub.freshness, "empty", "nothing is kept before it was read");
  assert.equal(await response.text(), text);
  assert.deepEqual([hub.freshness, hub.resourceVersion, names(hub)], ["current", "7", ["a", "b"]]);
});

Deno.test("pass() keeps a list of several pages once the last one was whole", async () => {
  const { hub, pass } = setUp();
  await pass(body(7, ["a"], "t1")).text();
  await pass(body(7, ["b"], "t2"), "t1").text();
  assert.equal(hub.freshness, "empty");
  await pass(body(7, ["c"]), "t2").text();
  assert.deepEqual([hub.resourceVersion, names(hub)], ["7", ["a", "b", "c"]]);
});

Deno.test.each([
  { name: "is cut off", text: body(9, ["x"]).slice(0, -1) },
  { name: "is no list", text: "<html></html>" },
  { name: "is not JSON at all", text: "\u0000\u0001" },
  { name: "has no version", text: body(0, ["x"]) },
])(
  "pass() gives the client the body and keeps the list from before when it $name",
  async ({ text }) => {
    const { hub, pass } = setUp();
    await pass(body(7, ["a"])).text();
    assert.equal(await pass(text).text(), text);
    assert.deepEqual([hub.freshness, hub.resourceVersion, names(hub)], ["current", "7", ["a"]]);
  },
);

Deno.test("pass() keeps nothing when the connection breaks or the client stops reading", async () => {
  const { hub } = setUp();
  const tee = new ListTee();
  const broken = new ReadableStream({
    start(controller) {
      controller.enqueue(utf8(body(9, ["x"]).slice(0, 60)));
    },
    pull(controller) {
      controller.error(new Error("reset"));
    },
  });
  await assert.rejects(tee.pass(new Response(broken), hub, "", () => true).text());
  const left = tee.pass(new Response(body(9, ["x"])), hub, "", () => true);
  await left.body!.cancel();
  assert.equal(hub.freshness, "empty");
});

Deno.test("pass() never mixes pages of different versions", async () => {
  const { hub, pass } = setUp();
  await pass(body(7, ["a"], "t1")).text();
  await pass(body(8, ["b"]), "t1").text();
  assert.equal(hub.freshness, "empty");
});

Deno.test("pass() keeps nothing of pages whose beginning it did not see", async () => {
  const { hub, pass } = setUp();
  await pass(body(7, ["b"]), "unknown").text();
  assert.equal(hub.freshness, "empty");
});

Deno.test("pass() keeps nothing when the hub has a better source by now", async () => {
  const { hub, pass } = setUp();
  await pass(body(7, ["a"]), "", () => false).text();
  assert.equal(hub.freshness, "empty");
});

Deno.test("pass() forgets a list on its way when the hub is given another", async () => {
  const { hub, pass } = setUp();
  const slow = pass(body(7, ["old"]));
  await relist(hub, [utf8(pod("new"))], 9);
  await slow.text();
  assert.deepEqual([hub.resourceVersion, names(hub)], ["9", ["new"]]);
});

Deno.test("pass() follows at most 16 lists of several pages", async () => {
  const { hub, pass } = setUp();
  await pass(body(7, ["a"], "first")).text();
  for (let i = 0; i < 16; i++) await pass(body(7, ["a"], `t${i}`)).text();
  await pass(body(7, ["b"]), "first").text();
  assert.equal(hub.freshness, "empty");
  await pass(body(7, ["b"]), "t15").text();
  assert.equal(hub.freshness, "current");
});

Deno.test("pass() gives the client its list though the store can't take one", async () => {
  const store = new MemoryStore();
  const hub = createPodHub(store);
  store.versions = () => {
    throw new DamagedError("", "The state file is damaged");
  };
  const text = body(7, ["a", "b"]);
  assert.equal(await new ListTee().pass(new Response(text), hub, "", () => true).text(), text);
});
