import assert from "node:assert/strict";
import { type ContractCase, rvOf, type Scratch } from "./scratch.ts";
import { shortForm } from "./watch_reader.ts";

const WATCH_LIST = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan";

/** WATCH with sendInitialEvents, which client-go >= 1.35 uses in place of LIST. */
export const WATCH_LIST_CASES: ContractCase[] = [
  ...["", "&resourceVersion=0"].map((resourceVersion) => ({
    name: `WATCH with sendInitialEvents${resourceVersion} marks the end of the first state`,
    async run(scratch: Scratch) {
      const [, last] = await scratch.createSecrets("a", "b");
      await scratch.get(scratch.secrets(`?resourceVersion=${rvOf(last!)}`));
      await using watch = await scratch.watch(
        `${WATCH_LIST}&allowWatchBookmarks=true${resourceVersion}`,
      );
      const frames = await watch.take(3);
      assert.deepEqual(frames.map(shortForm), ["ADDED a", "ADDED b", "BOOKMARK"]);
      const { metadata } = frames[2]!.object;
      assert.deepEqual(metadata.annotations, { "k8s.io/initial-events-end": "true" });
      assert.ok(rvOf(frames[2]!.object) >= rvOf(last!));
      await scratch.send("DELETE", scratch.secrets("a"));
      assert.deepEqual((await watch.take(1)).map(shortForm), ["DELETED a"]);
    },
  })),
  {
    name: "WATCH with sendInitialEvents of nothing is the bookmark alone",
    async run(scratch) {
      await using watch = await scratch.watch(`${WATCH_LIST}&allowWatchBookmarks=true`);
      const [bookmark] = await watch.take(1);
      assert.equal(bookmark!.object.metadata.annotations?.["k8s.io/initial-events-end"], "true");
    },
  },
  {
    name: "WATCH with sendInitialEvents honours selectors",
    async run(scratch) {
      await scratch.createSecret("a");
      await scratch.createSecret("b", { x: "1" });
      const query = `${WATCH_LIST}&allowWatchBookmarks=true&labelSelector=x%3D1`;
      await using watch = await scratch.watch(query);
      assert.deepEqual((await watch.take(2)).map(shortForm), ["ADDED b", "BOOKMARK"]);
    },
  },
  {
    name: "WATCH with sendInitialEvents but no bookmarks sends the first state unmarked",
    async run(scratch) {
      await scratch.createSecret("a");
      await using watch = await scratch.watch(`timeoutSeconds=1&${WATCH_LIST}`);
      assert.deepEqual((await watch.rest()).map(shortForm), ["ADDED a"]);
    },
  },
  ...["", "&resourceVersion=0"].map((resourceVersion) => ({
    name: `WATCH from the start${resourceVersion} with bookmarks is one with sendInitialEvents`,
    async run(scratch: Scratch) {
      const a = await scratch.createSecret("a");
      await scratch.get(scratch.secrets(`?resourceVersion=${rvOf(a)}`));
      await using watch = await scratch.watch(`allowWatchBookmarks=true${resourceVersion}`);
      const frames = await watch.take(2);
      assert.deepEqual(frames.map(shortForm), ["ADDED a", "BOOKMARK"]);
      const { annotations } = frames[1]!.object.metadata;
      assert.deepEqual(annotations, { "k8s.io/initial-events-end": "true" });
    },
  })),
  ...["", "&resourceVersion=0"].map((resourceVersion) => ({
    name: `WATCH with sendInitialEvents=false${resourceVersion} begins now`,
    async run(scratch: Scratch) {
      const a = await scratch.createSecret("a");
      await scratch.get(scratch.secrets(`?resourceVersion=${rvOf(a)}`));
      const query = "sendInitialEvents=false&resourceVersionMatch=NotOlderThan";
      await using watch = await scratch.watch(`${query}${resourceVersion}`);
      await scratch.createSecret("b");
      assert.deepEqual((await watch.take(1)).map(shortForm), ["ADDED b"]);
    },
  })),
  {
    name: "WATCH with sendInitialEvents from the future is a 200 with one ERROR frame of code 504",
    async run(scratch) {
      await scratch.createSecret("a");
      await using watch = await scratch.watch(`${WATCH_LIST}&resourceVersion=999999999999`);
      const [frame, ...more] = await watch.rest();
      assert.deepEqual(more, []);
      const { code, reason, details } = frame!.object;
      assert.deepEqual([frame!.type, code, reason], ["ERROR", 504, "Timeout"]);
      assert.equal(details.causes[0].reason, "ResourceVersionTooLarge");
    },
  },
  ...([
    ["sendInitialEvents without a match", "sendInitialEvents=true"],
    ["sendInitialEvents with an exact match", "sendInitialEvents=true&resourceVersionMatch=Exact"],
    ["a match without sendInitialEvents", "resourceVersion=1&resourceVersionMatch=NotOlderThan"],
  ] as const).map(([what, query]) => ({
    name: `WATCH refuses ${what}`,
    async run(scratch: Scratch) {
      const status = await scratch.get(scratch.secrets(`?watch=true&${query}`), 422);
      assert.deepEqual([status.kind, status.reason], ["Status", "Invalid"]);
    },
  })),
];
