import assert from "node:assert/strict";
import fc from "fast-check";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import { Link } from "./link.ts";
import type { LinkState, ProbeResult } from "./link_state.ts";

const never = new AbortController().signal;
const answered: ProbeResult = { result: "answered", roundTripMs: 20 };
const rejected: ProbeResult = { result: "rejected", cause: "UnknownIssuer" };

type Cloud = "up" | "black hole" | "refuses" | "rejected";

/** A link whose cloud can be switched off; every probe is noted with the time at which it was sent. */
function setUp(
  options: { random?: () => number; roundTripMs?: number; cloud?: Cloud } = {},
) {
  const clock = new FakeClock();
  const { roundTripMs = 20, random = () => 0 } = options;
  const cloud: { state: Cloud } = { state: options.cloud ?? "up" };
  const probes: number[] = [];
  const states: string[] = [];
  const stop = new AbortController();
  const link = new Link(clock, async (timeoutMs, signal) => {
    probes.push(clock.monotonic());
    switch (cloud.state) {
      case "up":
        await clock.sleep(roundTripMs, signal);
        return { result: "answered", roundTripMs };
      case "black hole":
        await clock.sleep(timeoutMs, signal);
        return { result: "silent", cause: "no answer to a probe" };
      case "refuses":
        await clock.sleep(roundTripMs, signal);
        return { result: "silent", cause: "connection refused" };
      case "rejected":
        return rejected;
      default:
        return cloud.state satisfies never;
    }
  }, random);
  link.subscribe(({ state }) => states.push(state));
  const running = link.run(stop.signal);
  return {
    clock,
    link,
    cloud,
    probes,
    states,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
      assert.equal(clock.pending, 0, "timers are left");
    },
  };
}

/** A link that came up. */
async function setUpLive(...args: Parameters<typeof setUp>) {
  const live = setUp(...args);
  await live.clock.advance(3_000);
  assert.equal(live.link.state.state, "up");
  live.states.length = 0;
  live.probes.length = 0;
  return live;
}

Deno.test("Link is suspect at first, and up once a probe was answered", async () => {
  await using run = setUp();
  assert.equal(run.link.state.state, "suspect");
  assert.equal(run.link.isOpen, true);
  assert.equal(run.link.aliveAtMs, undefined);
  await run.clock.advance(20);
  assert.deepEqual(run.states, ["up"]);
  assert.equal(run.link.aliveAtMs, run.clock.now());
  assert.equal(run.link.roundTripMs, 20);
});

Deno.test("Link is down after two silent probes when there never was a cloud", async () => {
  await using run = setUp({ cloud: "black hole" });
  await run.clock.advance(1_999);
  assert.equal(run.link.state.state, "suspect");
  await run.clock.advance(1);
  assert.deepEqual(run.states, ["down"]);
  const { state } = run.link;
  assert.equal("cause" in state && state.cause, "no answer to a probe");
  assert.equal(run.link.aliveAtMs, undefined);
});

Deno.test("Link is down within 3 s of the first unanswered request when it is black-holed", async () => {
  await using run = await setUpLive();
  run.cloud.state = "black hole";
  run.link.expect("answer");
  await run.clock.advance(599);
  assert.deepEqual(run.states, []);
  await run.clock.advance(1);
  assert.deepEqual(run.states, ["suspect"]);
  await run.clock.advance(1_999);
  assert.deepEqual(run.states, ["suspect"]);
  await run.clock.advance(1);
  assert.deepEqual(run.states, ["suspect", "down"]);
  assert.equal(run.probes.length, 2);
});

Deno.test("Link is down at once when the cloud refuses a request and two probes", async () => {
  await using run = await setUpLive();
  run.cloud.state = "refuses";
  run.link.suspect("connection refused");
  await run.clock.advance(40);
  assert.deepEqual(run.states, ["suspect", "down"]);
});

Deno.test("Link stays up when a request fails but a probe is answered", async () => {
  await using run = await setUpLive();
  run.link.suspect("reset");
  await run.clock.advance(20);
  assert.deepEqual(run.states, ["suspect", "up"]);
});

Deno.test("Link needs two failed probes in a row to be down", async () => {
  await using run = await setUpLive();
  const { link, clock, cloud } = run;
  for (let i = 0; i < 5; i++) {
    cloud.state = "black hole";
    link.suspect("reset");
    await clock.advance(500);
    cloud.state = "up";
    await clock.advance(600);
    assert.equal(link.state.state, "up", `round ${i}`);
  }
  assert.ok(!run.states.includes("down"));
});

Deno.test("Link is not suspect while bytes come, whatever a request waits for", async () => {
  await using run = await setUpLive();
  run.link.expect("answer");
  for (let i = 0; i < 20; i++) {
    await run.clock.advance(500);
    run.link.alive();
  }
  assert.deepEqual(run.states, []);
});

Deno.test("Link does not count the silence of a request that has ended", async () => {
  await using run = await setUpLive();
  const ended = run.link.expect("answer");
  await run.clock.advance(500);
  ended();
  await run.clock.advance(1_000);
  assert.deepEqual(run.states, []);
});

Deno.test("Link gives a body that is being received more time than an answer", async () => {
  await using run = await setUpLive();
  run.link.expect("body");
  await run.clock.advance(2_499);
  assert.deepEqual(run.states, []);
  await run.clock.advance(1);
  assert.deepEqual(run.states, ["suspect"]);
});

Deno.test("Link is never down while a body comes in records of 16 KiB over 64 kbit/s", async () => {
  await using run = await setUpLive();
  // The queue before the bottleneck delays the probes beyond their time.
  run.cloud.state = "black hole";
  for (let record = 0; record < 60; record++) {
    const ended = run.link.expect("body");
    await run.clock.advance(record % 10 === 0 ? 4_000 : 2_000);
    run.link.alive();
    ended();
  }
  assert.ok(!run.states.includes("down"), run.states.join());
});

Deno.test("Link learns from a late probe how slow it has become", async () => {
  const clock = new FakeClock();
  const stop = new AbortController();
  const probed: number[] = [];
  const link = new Link(clock, async (timeoutMs, signal) => {
    probed.push(timeoutMs);
    if (probed.length === 1) return { result: "answered", roundTripMs: 20 };
    await clock.sleep(timeoutMs, signal);
    return { result: "silent", late: true, cause: "late" };
  }, () => 0);
  const running = link.run(stop.signal);
  await clock.advance(0);
  link.expect("answer");
  await clock.advance(1_000);
  link.alive();
  await clock.advance(600);
  assert.equal(link.state.state, "up");
  assert.ok(link.patienceMs > 2_000, `${link.patienceMs}`);
  stop.abort();
  await running;
});

Deno.test("answeredLate() brings a link back that was held for dead, with what it measured", async () => {
  await using run = await setUpLive();
  await lose(run);
  run.cloud.state = "black hole";
  await run.clock.advance(5_000);
  run.link.answeredLate(2_000);
  assert.deepEqual(run.states, ["up"]);
  assert.deepEqual([run.link.roundTripMs, run.link.patienceMs], [2_000, 8_000]);
});

Deno.test("Link measures a busy link once a minute, without suspecting it", async () => {
  await using run = await setUpLive();
  for (let i = 0; i < 3_600; i++) {
    run.link.alive();
    await run.clock.advance(1_000);
  }
  assert.ok(run.probes.length >= 55 && run.probes.length <= 61, `${run.probes.length}`);
  assert.deepEqual(run.states, []);
});

Deno.test("hurry() asks at once, and an unanswered question is a suspicion", async () => {
  await using run = await setUpLive();
  run.cloud.state = "black hole";
  run.link.hurry();
  await run.clock.advance(1_000);
  assert.deepEqual(run.states, ["suspect"]);
  await run.clock.advance(1_000);
  assert.deepEqual(run.states, ["suspect", "down"]);
});

Deno.test("Link asks for a sign of life when nobody talked for 12 s", async () => {
  await using run = await setUpLive();
  run.link.alive();
  await run.clock.advance(11_999);
  assert.deepEqual(run.probes, []);
  await run.clock.advance(1);
  assert.deepEqual(run.states, ["suspect"]);
  assert.equal(run.link.isOpen, true);
  await run.clock.advance(20);
  assert.deepEqual(run.states, ["suspect", "up"]);
});

Deno.test("Link is up when bytes come in the middle of a failing probe", async () => {
  await using run = await setUpLive();
  run.cloud.state = "black hole";
  run.link.suspect("reset");
  await run.clock.advance(1_500);
  run.link.alive();
  await run.clock.advance(2_000);
  assert.deepEqual(run.states, ["suspect", "up"]);
});

Deno.test.each([
  { roundTripMs: 20, silence: 600, down: 2_600 },
  { roundTripMs: 500, silence: 1_500, down: 5_500 },
  { roundTripMs: 2_000, silence: 6_000, down: 22_000 },
  { roundTripMs: 9_000, silence: 10_000, down: 30_000 },
])(
  "Link is suspect after $silence ms and down after $down ms when the round trip is $roundTripMs ms",
  async ({ roundTripMs, silence, down }) => {
    await using run = setUp({ roundTripMs });
    await run.clock.advance(roundTripMs);
    run.states.length = 0;
    run.cloud.state = "black hole";
    run.link.expect("answer");
    await run.clock.advance(silence - 1);
    assert.deepEqual(run.states, []);
    await run.clock.advance(1);
    assert.deepEqual(run.states, ["suspect"]);
    await run.clock.advance(down - silence - 1);
    assert.deepEqual(run.states, ["suspect"]);
    await run.clock.advance(1);
    assert.deepEqual(run.states, ["suspect", "down"]);
  },
);

async function lose(run: Awaited<ReturnType<typeof setUpLive>>): Promise<void> {
  run.cloud.state = "refuses";
  run.link.suspect("reset");
  await run.clock.advance(40);
  assert.equal(run.link.state.state, "down");
  run.states.length = 0;
  run.probes.length = 0;
}

Deno.test("cut aborts with the cause when the link goes down, and a new one stands ready", async () => {
  await using run = await setUpLive();
  const { cut } = run.link;
  await lose(run);
  assert.equal(cut.aborted, true);
  assert.match((cut.reason as Error).message, /down.*refused/);
  assert.equal(run.link.cut.aborted, false);
});

Deno.test("cut stays whole while the link is only suspect", async () => {
  await using run = await setUpLive();
  const { cut } = run.link;
  run.link.suspect("reset");
  await run.clock.advance(20);
  assert.equal(cut.aborted, false);
  assert.equal(run.link.cut, cut);
});

Deno.test("Link tries less and less often while it is down, and never less than every 2.5 s", async () => {
  await using run = await setUpLive({ random: () => 1 });
  await lose(run);
  const start = run.clock.monotonic();
  await run.clock.advance(12_000);
  const gaps = run.probes.map((at, i) => at - (run.probes[i - 1] ?? start));
  assert.deepEqual(gaps.slice(0, 5), [500, 1_020, 2_020, 2_520, 2_520]);
});

Deno.test("Link is up at the first answered probe, and tries quickly again the next time", async () => {
  await using run = await setUpLive({ random: () => 1 });
  await lose(run);
  await run.clock.advance(8_000);
  run.cloud.state = "up";
  await run.clock.advance(2_600);
  assert.deepEqual(run.states, ["up"]);
  await lose(run);
  await run.clock.advance(500);
  assert.equal(run.probes.length, 1);
});

Deno.test("Link is rejected when the server is not who it should be, and up when it is again", async () => {
  await using run = await setUpLive();
  const { cut } = run.link;
  run.cloud.state = "rejected";
  run.link.suspect("invalid peer certificate");
  await run.clock.advance(0);
  assert.deepEqual(run.states, ["suspect", "rejected"]);
  assert.equal(run.link.isOpen, false);
  assert.equal(cut.aborted, true);
  run.cloud.state = "up";
  await run.clock.advance(3_000);
  assert.equal(run.link.state.state, "up");
});

Deno.test("suspect() changes nothing when the link is down already", async () => {
  await using run = await setUpLive();
  await lose(run);
  run.link.suspect("late");
  assert.equal(run.link.state.state, "down");
});

Deno.test("Link tells wall clock times that a jump of the clock does not turn into silence", async () => {
  await using run = await setUpLive();
  run.link.expect("answer");
  run.clock.jump(5 * 365 * 86_400_000);
  await run.clock.advance(599);
  assert.deepEqual(run.states, []);
  run.link.alive();
  assert.equal(run.link.aliveAtMs, run.clock.now());
});

Deno.test("decided() resolves when the suspicion is confirmed or cleared", async () => {
  await using run = await setUpLive();
  run.link.suspect("reset");
  let decided = false;
  const waiting = run.link.decided(never).then(() => decided = true);
  await run.clock.advance(19);
  assert.equal(decided, false);
  await run.clock.advance(1);
  assert.equal(decided, true);
  await waiting;
});

/** Whether a promise has resolved, asked again and again. */
function settles(promise: Promise<void>): () => boolean {
  let done = false;
  promise.then(() => done = true);
  return () => done;
}

Deno.test("pause() resolves after its time when the link stays up", async () => {
  await using run = await setUpLive();
  const done = settles(run.link.pause(1_000, never));
  await run.clock.advance(999);
  assert.equal(done(), false);
  await run.clock.advance(1);
  assert.equal(done(), true);
});

Deno.test("pause() waits until the link is back when it is down, and then not a moment", async () => {
  await using run = await setUpLive();
  await lose(run);
  const done = settles(run.link.pause(30_000, never));
  await run.clock.advance(60_000);
  assert.equal(done(), false);
  run.link.alive();
  await run.clock.advance(0);
  assert.equal(done(), true);
});

Deno.test("pause() waits for the link when that goes down in the middle", async () => {
  await using run = await setUpLive();
  const done = settles(run.link.pause(1_000, never));
  await lose(run);
  await run.clock.advance(5_000);
  assert.equal(done(), false);
  run.link.alive();
  await run.clock.advance(0);
  assert.equal(done(), true);
});

Deno.test("pause() ends early when a suspicion is cleared", async () => {
  await using run = await setUpLive();
  run.link.suspect("reset");
  const done = settles(run.link.pause(30_000, never));
  await run.clock.advance(20);
  assert.equal(done(), true);
});

Deno.test.each(["up", "down"] as const)(
  "pause() and decided() resolve when their signal aborts while the link is %s",
  async (state) => {
    await using run = await setUpLive();
    if (state === "down") await lose(run);
    const stop = new AbortController();
    const done = settles(run.link.pause(30_000, stop.signal));
    await run.clock.advance(100);
    stop.abort();
    await run.clock.advance(0);
    assert.equal(done(), true);
    await run.link.pause(30_000, stop.signal);
    await run.link.decided(stop.signal);
  },
);

Deno.test("Link never changes its state without bytes, a probe, a failure or silence", async () => {
  // Any interleaving: it is down only behind two probes that failed in a row with no byte between.
  const step = fc.oneof(
    fc.record({ do: fc.constant("advance" as const), ms: fc.integer({ min: 0, max: 4_000 }) }),
    fc.record({
      do: fc.constant("cloud" as const),
      state: fc.constantFrom("up" as const, "black hole" as const, "refuses" as const),
    }),
    fc.constant({ do: "bytes" as const }),
    fc.constant({ do: "request" as const }),
    fc.constant({ do: "failure" as const }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      await using run = setUp();
      let before: LinkState["state"] = "suspect";
      let wrong = "";
      run.link.subscribe(({ state }) => {
        const allowed = {
          up: ["suspect"],
          suspect: ["up", "down"],
          down: ["up"],
          rejected: ["up"],
        };
        if (!allowed[before].includes(state)) wrong = `${before} -> ${state}`;
        before = state;
      });
      for (const each of steps) {
        if (each.do === "advance") await run.clock.advance(each.ms);
        else if (each.do === "cloud") run.cloud.state = each.state;
        else if (each.do === "bytes") run.link.alive();
        else if (each.do === "request") run.link.expect("answer");
        else run.link.suspect("failed");
        assert.equal(wrong, "");
      }
      run.cloud.state = "up";
      await run.clock.advance(15_000);
      assert.notEqual(run.link.state.state, "down", "it must find the way back");
      assert.equal(run.link.isOpen, true);
    }),
    { numRuns: 60 },
  );
});

Deno.test("run() keeps the smoothed round-trip time between the extremes it saw", async () => {
  const clock = new FakeClock();
  const trips = [10, 90, 90, 90];
  const stop = new AbortController();
  const link = new Link(
    clock,
    () => Promise.resolve({ ...answered, roundTripMs: trips.shift() ?? 90 } as ProbeResult),
    () => 0,
  );
  const running = link.run(stop.signal);
  await clock.advance(25_000);
  assert.ok(link.roundTripMs! > 10 && link.roundTripMs! < 50, `${link.roundTripMs}`);
  stop.abort();
  await running;
});
