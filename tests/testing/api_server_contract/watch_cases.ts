import assert from "node:assert/strict";
import { type ContractCase, rvOf, type Scratch } from "./scratch.ts";
import { shortForm, WatchReader } from "./watch_reader.ts";

/** WATCH: where it begins, what it tells, how it ends. */
export const WATCH_CASES: ContractCase[] = [
  {
    name: "WATCH from a resourceVersion tells each later change in order",
    async run(scratch) {
      const list = await scratch.get(scratch.secrets());
      await using watch = await scratch.watch(`resourceVersion=${rvOf(list)}`);
      assert.equal(watch.response.headers.get("content-type"), "application/json");
      const created = await scratch.createSecret("a");
      const label = { metadata: { labels: { x: "1" } } };
      const changed = await scratch.send("PATCH", scratch.secrets("a"), label);
      await scratch.send("DELETE", scratch.secrets("a"));
      const [added, modified, deleted] = await watch.take(3);
      assert.deepEqual([added, modified], [
        { type: "ADDED", object: created },
        { type: "MODIFIED", object: changed },
      ]);
      assert.equal(deleted!.type, "DELETED");
      assert.ok(
        rvOf(deleted!.object) > rvOf(changed),
        "a deletion has a resourceVersion of its own",
      );
      const { resourceVersion: _a, ...last } = deleted!.object.metadata;
      const { resourceVersion: _b, ...before } = changed.metadata;
      assert.deepEqual(last, before);
    },
  },
  {
    name: "WATCH from a past resourceVersion replays exactly what came after it",
    async run(scratch) {
      const [a] = await scratch.createSecrets("a", "b");
      await scratch.send("DELETE", scratch.secrets("b"));
      await scratch.createSecret("c");
      await using watch = await scratch.watch(`resourceVersion=${rvOf(a!)}`);
      const frames = await watch.take(3);
      assert.deepEqual(frames.map(shortForm), ["ADDED b", "DELETED b", "ADDED c"]);
    },
  },
  ...["", "resourceVersion=0"].map((query) => ({
    name: `WATCH with "${query}" begins with all objects, then goes on`,
    async run(scratch: Scratch) {
      const [, a] = await scratch.createSecrets("b", "a");
      await scratch.get(scratch.secrets(`?resourceVersion=${rvOf(a!)}`));
      await using watch = await scratch.watch(query);
      const first = await watch.take(2);
      assert.deepEqual(first.map(shortForm).toSorted(), ["ADDED a", "ADDED b"]);
      await scratch.send("DELETE", scratch.secrets("b"));
      assert.deepEqual((await watch.take(1)).map(shortForm), ["DELETED b"]);
    },
  })),
  {
    name: "WATCH from a resourceVersion in the future tells nothing up to it",
    async run(scratch) {
      const { metadata: { resourceVersion } } = await scratch.createSecret("a");
      const future = Number(resourceVersion) + 1_000_000;
      await using watch = await scratch.watch(`timeoutSeconds=1&resourceVersion=${future}`);
      await scratch.createSecret("b");
      assert.deepEqual(await watch.rest(), []);
    },
  },
  {
    name: "WATCH with a label selector turns coming and going into ADDED and DELETED",
    async run(scratch) {
      const list = await scratch.get(scratch.secrets());
      const query = `resourceVersion=${rvOf(list)}&labelSelector=x%3D1`;
      await using watch = await scratch.watch(query);
      const label = (name: string, x: string | null) =>
        scratch.send("PATCH", scratch.secrets(name), { metadata: { labels: { x } } });
      await scratch.createSecrets("a", "other");
      await label("a", "1");
      await scratch.send("PATCH", scratch.secrets("a"), { data: { k: "Mg==" } });
      const gone = await label("a", "2");
      await label("a", "1");
      await scratch.send("DELETE", scratch.secrets("a"));
      const frames = await watch.take(5);
      assert.deepEqual(frames.map(shortForm), [
        "ADDED a",
        "MODIFIED a",
        "DELETED a",
        "ADDED a",
        "DELETED a",
      ]);
      const left = frames[2]!.object;
      assert.equal(left.metadata.labels?.x, "1", "the state that still matched");
      assert.equal(rvOf(left), rvOf(gone), "the resourceVersion of the change");
    },
  },
  {
    name: "WATCH with metadata.name= tells of that object only",
    async run(scratch) {
      const list = await scratch.get(scratch.secrets());
      const query = `resourceVersion=${rvOf(list)}&fieldSelector=metadata.name%3Db`;
      await using watch = await scratch.watch(query);
      await scratch.createSecrets("a", "b");
      await scratch.send("DELETE", scratch.secrets("b"));
      assert.deepEqual((await watch.take(2)).map(shortForm), ["ADDED b", "DELETED b"]);
    },
  },
  {
    name: "WATCH over all namespaces tells of this one",
    async run(scratch) {
      const list = await scratch.get(scratch.secrets());
      const query = `watch=true&timeoutSeconds=10&resourceVersion=${rvOf(list)}`;
      await scratch.createSecret("mine");
      const response = await scratch.target.fetch(`/api/v1/secrets?${query}`);
      await using watch = new WatchReader(response);
      for (;;) {
        const [frame] = await watch.take(1);
        if (frame!.object.metadata.namespace !== scratch.namespace) continue;
        assert.equal(shortForm(frame!), "ADDED mine");
        return;
      }
    },
  },
  {
    name: "WATCH ends cleanly after timeoutSeconds",
    async run(scratch) {
      const startMs = performance.now();
      await using watch = await scratch.watch("timeoutSeconds=1");
      assert.deepEqual(await watch.rest(), []);
      const tookMs = performance.now() - startMs;
      assert.ok(tookMs > 900 && tookMs < 4_000, `it took ${tookMs} ms`);
    },
  },
  {
    name: "WATCH with bookmarks gets one before it ends, as new as the last event",
    async run(scratch) {
      const list = await scratch.get(scratch.secrets());
      const query = `timeoutSeconds=5&allowWatchBookmarks=true&resourceVersion=${rvOf(list)}`;
      await using watch = await scratch.watch(query);
      const created = await scratch.createSecret("a");
      const [event, bookmark] = await watch.take(2);
      assert.equal(shortForm(event!), "ADDED a");
      assert.equal(bookmark!.type, "BOOKMARK");
      assert.deepEqual([bookmark!.object.kind, bookmark!.object.apiVersion], ["Secret", "v1"]);
      assert.ok(rvOf(bookmark!.object) >= rvOf(created));
    },
  },
  {
    name: "WATCH without bookmarks gets none",
    async run(scratch) {
      const list = await scratch.get(scratch.secrets());
      await using watch = await scratch.watch(`timeoutSeconds=4&resourceVersion=${rvOf(list)}`);
      await scratch.createSecret("a");
      assert.deepEqual((await watch.rest()).map(shortForm), ["ADDED a"]);
    },
  },
  {
    name: "WATCH from forgotten events is a 200 with one ERROR frame of code 410",
    async run(scratch) {
      const { compact } = scratch.target;
      if (compact === undefined) return;
      const [a] = await scratch.createSecrets("a", "b");
      await compact();
      await using watch = await scratch.watch(`resourceVersion=${rvOf(a!)}`);
      const [frame, ...more] = await watch.rest();
      assert.deepEqual(more, []);
      assert.equal(frame!.type, "ERROR");
      const { message, ...status } = frame!.object;
      assert.match(message, new RegExp(`^too old resource version: ${rvOf(a!)} \\(\\d+\\)$`));
      assert.deepEqual(status as unknown, {
        kind: "Status",
        apiVersion: "v1",
        metadata: {},
        status: "Failure",
        reason: "Expired",
        code: 410,
      });
    },
  },
];
