import assert from "node:assert/strict";
import fc from "fast-check";
import { FakeClock } from "../../tests/testing/fake_clock.ts";
import { text, utf8 } from "../../tests/testing/arbitraries.ts";
import { Backoff } from "../kernel/backoff.ts";
import type { RefusedError } from "./answer.ts";
import { encode, encodeList, encodeMeta, envelope } from "../../tests/testing/protobuf.ts";
import { type Encoding, formatErrorFrame } from "./codec/encoding.ts";
import { PROTOBUF_ENCODING } from "./codec/protobuf/encoding.ts";
import { JSON_ENCODING } from "./codec/json_encoding.ts";
import type { ListHead } from "./codec/list.ts";
import { type CatchUp, Reflector, type ReflectorSink, type Send } from "./reflector.ts";
import { formatBookmark, formatFrame } from "./watch_event.ts";
import { expiredStatus } from "./status.ts";

const POD = { kind: "Pod", apiVersion: "v1" };

const pod = (name: string, resourceVersion: string | number) =>
  utf8(JSON.stringify({ metadata: { name, resourceVersion: String(resourceVersion) } }));

function listBody(resourceVersion: string | number, items: Uint8Array[], token = ""): string {
  const metadata = { resourceVersion: String(resourceVersion), ...(token && { continue: token }) };
  const head = JSON.stringify({ kind: "PodList", apiVersion: "v1", metadata });
  return `${head.slice(0, -1)},"items":[${items.map(text)}]}`;
}

const list = (...args: Parameters<typeof listBody>) => new Response(listBody(...args));
const frame = (type: "ADDED" | "MODIFIED" | "DELETED", name: string, version: string | number) =>
  text(formatFrame(type, pod(name, version)));
const bookmark = (version: string | number) => text(formatBookmark(POD, String(version)));
const gone = () => text(formatErrorFrame(JSON_ENCODING, expiredStatus("too old")));
const status = (code: number, headers: Record<string, string> = {}) =>
  new Response("{}", { status: code, headers });

/** A sink that is a model of a hub: a map that a list replaces and events change. */
class ModelSink implements ReflectorSink {
  readonly encoding: Encoding;
  readonly log: string[] = [];
  items = new Map<string, string>();
  version: string | undefined;
  mode: CatchUp = "none";
  refusals: RefusedError[] = [];

  constructor(encoding = JSON_ENCODING) {
    this.encoding = encoding;
  }

  position = () => this.version;
  catchUp = () => this.mode;
  replace() {
    const incoming = new Map<string, string>();
    this.log.push("replace");
    return {
      add: (items: Uint8Array[]) => {
        for (const item of items) {
          const { name, resourceVersion } = this.encoding.readMeta(item);
          incoming.set(name, resourceVersion);
        }
        return Promise.resolve();
      },
      commit: (head: ListHead) => {
        this.items = incoming;
        this.version = head.resourceVersion;
        this.mode = "none";
        this.log.push(`commit ${head.resourceVersion}: ${[...incoming.keys()]}`);
      },
      abandon: () => void this.log.push("abandon"),
    };
  }
  change({ type, object }: Parameters<ReflectorSink["change"]>[0]) {
    const { name, resourceVersion } = this.encoding.readMeta(object);
    if (type === "DELETED") this.items.delete(name);
    else this.items.set(name, resourceVersion);
    this.version = resourceVersion;
    this.log.push(`${type} ${name} ${resourceVersion}`);
  }
  bookmark(resourceVersion: string) {
    this.version = resourceVersion;
    this.log.push(`bookmark ${resourceVersion}`);
  }
  watching() {}
  caughtUp() {
    this.mode = "none";
    this.log.push("caught up");
  }
  refused = (error: RefusedError) => void this.refusals.push(error);
  failed = (error: unknown) => void this.log.push(`failed: ${(error as Error).message}`);
}

type Answer = Response | Error | ((signal: AbortSignal) => Response | Promise<Response>);

/** A reflector on a script of answers; when it is over, requests stay unanswered. */
function start(answers: Answer[], sink = new ModelSink()) {
  const clock = new FakeClock();
  const stop = new AbortController();
  const requests: { purpose: string; query: Record<string, string> }[] = [];
  const pauses: number[] = [];
  let longestPauseMs = Infinity;
  const send: Send = async (pathAndQuery, { purpose, signal }) => {
    const query = Object.fromEntries(new URLSearchParams(pathAndQuery.split("?")[1]));
    requests.push({ purpose, query });
    const answer = answers.shift();
    if (answer === undefined) {
      return await new Promise((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason), { once: true })
      );
    }
    if (answer instanceof Error) throw answer;
    return answer instanceof Response ? answer : await answer(signal);
  };
  const reflector = new Reflector({
    target: {
      path: "/api/v1/pods",
      query: { fieldSelector: "spec.nodeName=n1" },
      listAccept: "list",
      watchAccept: "watch",
      encoding: sink.encoding,
    },
    send,
    sink,
    backoff: new Backoff(clock, { random: () => 0 }),
    pause: (ms, signal) => {
      pauses.push(ms);
      return clock.sleep(Math.min(ms, longestPauseMs), signal);
    },
    monotonic: () => clock.monotonic(),
    random: () => 0,
  });
  const ended = reflector.run(stop.signal);
  return {
    clock,
    sink,
    requests,
    pauses,
    /** The link comes back in the middle of every pause. */
    wakePausesAfter: (ms: number) => void (longestPauseMs = ms),
    /** Lets `ms` pass. */
    settle: (ms = 0) => clock.advance(ms),
    async [Symbol.asyncDispose]() {
      stop.abort(new Error("stopped"));
      await ended;
    },
  };
}

/** A body that the test feeds. */
function liveBody() {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({ start: (c) => void (controller = c) });
  return {
    response: new Response(body),
    push: (frames: string) => controller.enqueue(utf8(frames)),
    close: () => controller.close(),
    fail: (message: string) => controller.error(new Error(message)),
  };
}

Deno.test("run() lists again when its list came to nothing because another one was begun", async () => {
  const sink = new ModelSink();
  const { replace } = sink;
  sink.replace = () => {
    sink.replace = replace;
    return { ...replace.call(sink), commit() {} };
  };
  await using run = start([list(7, [pod("a", 3)]), list(8, [pod("a", 3)])], sink);
  await run.settle();
  assert.deepEqual(run.requests.map(({ purpose }) => purpose), ["list", "list", "watch"]);
  assert.equal(run.requests.at(-1)?.query.resourceVersion, "8");
});

Deno.test("run() lists in pages and watches from the version of the list", async () => {
  await using run = start([
    list(7, [pod("a", 3)], "t1"),
    list(7, [pod("b", 4)], "t2"),
    list(7, [pod("c", 5)]),
  ]);
  await run.settle();
  assert.deepEqual(run.sink.log, ["replace", "commit 7: a,b,c"]);
  const selector = { fieldSelector: "spec.nodeName=n1" };
  assert.deepEqual(run.requests, [
    { purpose: "list", query: { ...selector, limit: "500" } },
    { purpose: "list", query: { ...selector, limit: "500", continue: "t1" } },
    { purpose: "list", query: { ...selector, limit: "500", continue: "t2" } },
    {
      purpose: "watch",
      query: {
        ...selector,
        watch: "true",
        allowWatchBookmarks: "true",
        resourceVersion: "7",
        timeoutSeconds: "300",
      },
    },
  ]);
});

Deno.test("run() takes events and goes on from the last version when a watch ends", async () => {
  const watch = liveBody();
  await using run = start([list(7, [pod("a", 3)]), watch.response]);
  await run.settle();
  watch.push(frame("ADDED", "b", 8) + frame("DELETED", "a", 9) + bookmark(12));
  await run.settle();
  assert.deepEqual(run.sink.log.slice(2), ["ADDED b 8", "DELETED a 9", "bookmark 12", "caught up"]);
  watch.close();
  await run.settle();
  assert.deepEqual(run.pauses, []);
  assert.deepEqual(run.requests.map(({ purpose, query }) => [purpose, query.resourceVersion]), [
    ["list", undefined],
    ["watch", "7"],
    ["watch", "12"],
  ]);
});

Deno.test("run() goes on from the last version when a watch breaks", async () => {
  const watch = liveBody();
  await using run = start([list(7, []), watch.response]);
  await run.settle();
  watch.push(frame("ADDED", "b", 8) + frame("ADDED", "c", 9).slice(0, 20));
  await run.settle();
  watch.fail("reset");
  await run.settle(800);
  assert.deepEqual(run.pauses, [800]);
  assert.equal(run.requests.at(-1)?.query.resourceVersion, "8");
  assert.deepEqual([...run.sink.items], [["b", "8"]]);
});

Deno.test.each([
  { name: "ends in the middle of an item", body: listBody(7, [pod("a", 3)]).slice(0, -20) },
  { name: "ends behind an item", body: listBody(7, [pod("a", 3)]).slice(0, -2) },
  { name: "ends before its last brace", body: listBody(7, [pod("a", 3)]).slice(0, -1) },
  { name: "is no list", body: "<html>" },
  { name: "has no resourceVersion", body: listBody("", [pod("a", 3)]) },
  { name: "has the resourceVersion 0", body: listBody(0, [pod("a", 3)]) },
  { name: "is a Status", body: '{"kind":"Status","apiVersion":"v1","metadata":{}}' },
])("run() commits nothing when a list $name, and lists again", async ({ body }) => {
  await using run = start([new Response(body), list(8, [pod("b", 8)])]);
  await run.settle();
  assert.deepEqual(run.sink.log.slice(0, 2), ["replace", "abandon"]);
  assert.match(run.sink.log[2] ?? "", /^failed/);
  await run.settle(800);
  assert.deepEqual(run.sink.log.slice(3), ["replace", "commit 8: b"]);
});

Deno.test("run() commits nothing when a later page breaks", async () => {
  const page = liveBody();
  await using run = start([list(7, [pod("a", 3)], "t1"), page.response, list(9, [pod("b", 8)])]);
  await run.settle();
  page.push(listBody(7, [pod("b", 4)]).slice(0, -3));
  page.fail("reset");
  await run.settle(800);
  assert.deepEqual(run.sink.log, [
    "replace",
    "abandon",
    "failed: reset",
    "replace",
    "commit 9: b",
  ]);
});

Deno.test("run() never mixes pages of different versions and slows down when they always differ", async () => {
  const mixed = (): Answer[] => [list(7, [pod("a", 3)], "t"), list(8, [pod("b", 4)])];
  await using run = start([...mixed(), ...mixed(), ...mixed(), list(9, [pod("c", 9)])]);
  await run.settle();
  assert.ok(run.requests.length <= 4, `${run.requests.length} requests without a pause`);
  await run.settle(60_000);
  assert.deepEqual(run.sink.log.filter((line) => line.startsWith("commit")), ["commit 9: c"]);
  assert.ok(run.pauses.length >= 2);
});

Deno.test("run() lists in one piece when the pages expire on their way", async () => {
  await using run = start([
    list(7, [pod("a", 3)], "t"),
    status(410),
    list(9, [pod("a", 3), pod("b", 9)]),
  ]);
  await run.settle();
  assert.deepEqual(run.requests.slice(0, 3).map(({ query }) => [query.limit, query.continue]), [
    ["500", undefined],
    ["500", "t"],
    [undefined, undefined],
  ]);
  assert.equal(run.sink.log.at(-1), "commit 9: a,b");
});

Deno.test.each<{ name: string; answer: () => Response }>([
  { name: "an ERROR frame", answer: () => new Response(gone()) },
  { name: "a status", answer: () => status(410) },
])("run() lists anew at once when a watch expires with $name", async ({ answer }) => {
  await using run = start([list(7, [pod("a", 3)]), answer(), list(20, [pod("b", 9)])]);
  await run.settle();
  assert.deepEqual(run.sink.log, ["replace", "commit 7: a", "replace", "commit 20: b"]);
  assert.deepEqual(run.pauses, []);
  assert.equal(run.requests.at(-1)?.query.resourceVersion, "20");
});

Deno.test("run() slows down when every watch expires", async () => {
  const answers = Array.from({ length: 20 }, () => [list(7, []), new Response(gone())]).flat();
  await using run = start(answers);
  await run.settle(10_000);
  assert.ok(run.requests.length < 14, `${run.requests.length} requests in 10 s`);
});

Deno.test("run() keeps its place and waits when a watch fails with another error frame", async () => {
  const frame = text(
    formatErrorFrame(JSON_ENCODING, { code: 500, reason: "InternalError", message: "boom" }),
  );
  await using run = start([list(7, [pod("a", 3)]), new Response(frame)]);
  await run.settle(800);
  assert.deepEqual(run.sink.log.at(-1), "failed: Cannot watch /api/v1/pods: boom");
  assert.deepEqual(run.requests.at(-1), {
    purpose: "watch",
    query: { ...run.requests[1]!.query, resourceVersion: "7" },
  });
});

Deno.test("run() waits as long as Retry-After says when the server is too busy", async () => {
  await using run = start([status(429, { "retry-after": "7" }), list(7, [])]);
  await run.settle();
  assert.deepEqual(run.pauses, [7_000]);
  assert.deepEqual(run.sink.refusals.map(({ answer }) => answer.status), [429]);
  await run.settle(6_999);
  assert.equal(run.requests.length, 1);
  await run.settle(1);
  assert.equal(run.sink.log.at(-1), "commit 7: ");
});

Deno.test("run() stays away as long as Retry-After says though the link's return ends every pause", async () => {
  await using run = start([status(429, { "retry-after": "7" }), list(7, [])]);
  run.wakePausesAfter(500);
  await run.settle(6_999);
  assert.equal(run.requests.length, 1);
  await run.settle(501);
  assert.equal(run.sink.log.at(-1), "commit 7: ");
});

Deno.test("run() says that it was refused and tries again ever later when the answer is 403", async () => {
  await using run = start([status(403), status(403), status(403)]);
  await run.settle(30_000);
  assert.equal(run.sink.refusals.length, 3);
  assert.deepEqual(run.pauses, [800, 1600, 3200]);
});

Deno.test("run() tries ever later while the server can't be reached, and at once after a good round", async () => {
  const watch = liveBody();
  const away = () => new Error("unreachable");
  await using run = start([away(), away(), away(), list(7, []), watch.response, away(), away()]);
  await run.settle(800 + 1600 + 3200);
  assert.deepEqual(run.pauses, [800, 1600, 3200]);
  watch.push(bookmark(8));
  await run.settle();
  watch.close();
  await run.settle(60_000);
  assert.deepEqual(run.pauses.slice(3), [800, 1600]);
});

Deno.test("run() slows down when the server ends every watch without a word", async () => {
  const answers = Array.from({ length: 50 }, () => new Response(""));
  await using run = start([list(7, []), ...answers]);
  await run.settle(10_000);
  assert.ok(run.requests.length < 8, `${run.requests.length} requests in 10 s`);
});

Deno.test("run() watches on at once when a quiet watch ends in its time", async () => {
  const watch = liveBody();
  await using run = start([list(7, []), watch.response]);
  await run.settle(300_000);
  watch.close();
  await run.settle();
  assert.deepEqual(run.pauses, []);
  assert.equal(run.requests.length, 3);
});

Deno.test("run() slows down when a frame can't be read, and keeps its place", async () => {
  await using run = start([list(7, []), new Response(frame("ADDED", "a", 8) + "junk\n")]);
  await run.settle(800);
  assert.deepEqual([...run.sink.items.keys()], ["a"]);
  assert.equal(run.requests.at(-1)?.query.resourceVersion, "8");
});

function stale(mode: CatchUp): ModelSink {
  const sink = new ModelSink();
  sink.version = "5";
  sink.items = new Map([["a", "3"]]);
  sink.mode = mode;
  return sink;
}

Deno.test("run() lists first when the stored state is small", async () => {
  await using run = start([list(7, [pod("b", 6)])], stale("relist"));
  await run.settle();
  assert.deepEqual(run.sink.log, ["replace", "commit 7: b"]);
});

Deno.test("run() only asks what changed when the stored state is large", async () => {
  const watch = liveBody();
  await using run = start([watch.response], stale("watch"));
  await run.settle();
  assert.deepEqual(
    [run.requests[0]?.purpose, run.requests[0]?.query.resourceVersion],
    ["watch", "5"],
  );
  assert.equal(run.requests[0]?.query.timeoutSeconds, "3");
  await run.settle(3_000);
  assert.deepEqual(run.sink.log, []);
  watch.close();
  await run.settle();
  assert.deepEqual(run.sink.log, ["caught up"]);
  assert.equal(run.requests[1]?.query.timeoutSeconds, "300");
});

Deno.test("run() is caught up when a short watch brings a bookmark", async () => {
  const watch = liveBody();
  await using run = start([watch.response], stale("watch"));
  await run.settle();
  watch.push(frame("ADDED", "b", 6) + bookmark(9));
  await run.settle();
  assert.deepEqual(run.sink.log, ["ADDED b 6", "bookmark 9", "caught up"]);
});

Deno.test.each([
  { name: "ends too early", end: (watch: ReturnType<typeof liveBody>) => watch.close() },
  { name: "breaks", end: (watch: ReturnType<typeof liveBody>) => watch.fail("reset") },
])("run() is not caught up when the short watch $name", async ({ end }) => {
  const watch = liveBody();
  await using run = start([watch.response], stale("watch"));
  await run.settle(2_000);
  end(watch);
  await run.settle(1_600);
  assert.equal(run.sink.log.includes("caught up"), false);
  assert.equal(run.requests[1]?.query.timeoutSeconds, "3");
});

Deno.test("run() lists anew when the stored state is older than the server's memory", async () => {
  await using run = start([new Response(gone()), list(90, [pod("z", 80)])], stale("watch"));
  await run.settle();
  assert.deepEqual(run.sink.log, ["replace", "commit 90: z"]);
});

Deno.test.each<{ name: string; answers: () => Answer[] }>([
  { name: "a request", answers: () => [] },
  { name: "a list", answers: () => [liveBody().response] },
  { name: "a watch", answers: () => [list(7, []), liveBody().response] },
  { name: "a pause", answers: () => [new Error("away")] },
])("run() ends when its signal aborts in the middle of $name", async ({ answers }) => {
  const run = start(answers());
  await run.settle();
  await run[Symbol.asyncDispose]();
  assert.equal(run.clock.pending, 0);
});

/** What an API server with random faults answers. */
type Fault = "none" | "cut" | "broken" | "away" | 410 | 429 | 500;

Deno.test("run() ends with exactly what the server holds whatever fails on the way", async () => {
  const fault: fc.Arbitrary<{ fault: Fault; at: number }> = fc.record({
    fault: fc.constantFrom<Fault>("none", "cut", "broken", "away", 410, 429, 500),
    at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  });
  const change = fc.record({ name: fc.constantFrom("a", "b", "c", "d", "e"), gone: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fault, { maxLength: 12 }),
      fc.array(fc.array(change, { maxLength: 5 }), { maxLength: 12 }),
      async (faults, changes) => {
        const cloud = new Map<string, number>();
        const history: { version: number; frame: string }[] = [];
        let version = 1;
        const mutate = (batch: { name: string; gone: boolean }[] = []) => {
          for (const { name, gone } of batch) {
            if (gone && !cloud.has(name)) continue;
            const type = gone ? "DELETED" : cloud.has(name) ? "MODIFIED" : "ADDED";
            version++;
            if (gone) cloud.delete(name);
            else cloud.set(name, version);
            history.push({ version, frame: frame(type, name, version) });
          }
        };
        const pages = new Map<string, { version: number; rest: Uint8Array[] }>();
        const answer = (query: URLSearchParams): string => {
          if (query.has("watch")) {
            const from = Number(query.get("resourceVersion"));
            return history.filter(({ version }) => version > from)
              .map(({ frame }) => frame).join("") + bookmark(version);
          }
          const { version: at, rest } = pages.get(query.get("continue") ?? "") ??
            { version, rest: [...cloud].map(([name, rv]) => pod(name, rv)) };
          const size = query.has("limit") ? 2 : rest.length;
          if (rest.length <= size) return listBody(at, rest);
          const token = `t${pages.size}`;
          pages.set(token, { version: at, rest: rest.slice(size) });
          return listBody(at, rest.slice(0, size), token);
        };
        const sink = new ModelSink();
        const clock = new FakeClock();
        const stop = new AbortController();
        const send: Send = (pathAndQuery) => {
          mutate(changes.shift());
          const next = faults.shift();
          const full = answer(new URLSearchParams(pathAndQuery.split("?")[1]));
          if (next === undefined) {
            if (changes.length > 0 || !pathAndQuery.includes("watch")) {
              return Promise.resolve(new Response(full));
            }
            const live = liveBody();
            live.push(full);
            return Promise.resolve(live.response);
          }
          const cut = full.slice(0, Math.floor(next.at * full.length));
          switch (next.fault) {
            case "none":
              return Promise.resolve(new Response(full));
            case "cut":
              return Promise.resolve(new Response(cut));
            case "broken": {
              const live = liveBody();
              if (cut !== "") live.push(cut);
              live.fail("reset");
              return Promise.resolve(live.response);
            }
            case "away":
              return Promise.reject(new Error("away"));
            default:
              return Promise.resolve(status(next.fault));
          }
        };
        const ended = new Reflector({
          target: {
            path: "/api/v1/pods",
            query: {},
            listAccept: "",
            watchAccept: "",
            encoding: JSON_ENCODING,
          },
          send,
          sink,
          backoff: new Backoff(clock, { random: () => 0 }),
          pause: (ms, signal) => clock.sleep(ms, signal),
          monotonic: () => clock.monotonic(),
          random: () => 0,
        }).run(stop.signal);
        await clock.advance(1_000_000);
        stop.abort();
        await ended;
        const want = [...cloud].map(([name, rv]) => [name, String(rv)]).sort();
        assert.deepEqual([...sink.items].sort(), want);
        assert.equal(sink.version, String(version));
      },
    ),
  );
});

Deno.test("run() lists and watches in protobuf", async () => {
  const item = (name: string, resourceVersion: string) =>
    encode([[1, encodeMeta({ name, resourceVersion })]]);
  const event = (type: "ADDED" | "DELETED", name: string, version: string) =>
    PROTOBUF_ENCODING.formatFrame(type, envelope("v1", "Pod", item(name, version)));
  const headers = { "content-type": PROTOBUF_ENCODING.contentType };
  const frames = [
    event("ADDED", "b", "8"),
    event("DELETED", "a", "9"),
    PROTOBUF_ENCODING.formatBookmark(POD, "12"),
    formatErrorFrame(PROTOBUF_ENCODING, expiredStatus("too old")),
  ];
  await using run = start(
    [
      new Response(encodeList({ resourceVersion: "7", token: "t" }, [item("a", "3")]), { headers }),
      new Response(encodeList({ resourceVersion: "7" }, [item("c", "4")]), { headers }),
      new Response(new Blob(frames as Uint8Array<ArrayBuffer>[]), {
        headers: { "content-type": PROTOBUF_ENCODING.watchContentType },
      }),
    ],
    new ModelSink(PROTOBUF_ENCODING),
  );
  await run.settle();
  assert.deepEqual(run.sink.log, [
    ...["replace", "commit 7: a,c", "ADDED b 8", "DELETED a 9", "bookmark 12", "caught up"],
    "replace",
  ]);
  assert.deepEqual(run.requests.map(({ purpose }) => purpose), ["list", "list", "watch", "list"]);
});

Deno.test.each([
  { name: "says so", answer: () => status(406) },
  {
    name: "answers in JSON all the same",
    answer: () =>
      new Response(listBody(7, [pod("a", 3)]), { headers: { "content-type": "application/json" } }),
  },
])("run() is refused with 406 when the server has no protobuf and $name", async ({ answer }) => {
  await using run = start([answer()], new ModelSink(PROTOBUF_ENCODING));
  await run.settle();
  assert.deepEqual(run.sink.refusals.map((each) => each.answer.status), [406]);
  assert.equal(run.sink.version, undefined);
});
