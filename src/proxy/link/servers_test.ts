import assert from "node:assert/strict";
import fc from "fast-check";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import { Link } from "./link.ts";
import { LINK_TIMES, STANDBY_TIMES } from "./link_state.ts";
import { type ChosenServer, type Move, Servers } from "./servers.ts";

const never = new AbortController().signal;

type Cloud = "up" | "black hole" | "refuses" | "rejected";

/** A server that can be switched off. */
class FakeServer implements ChosenServer {
  readonly url: string;
  readonly learned: boolean;
  readonly link: Link;
  state: Cloud = "up";
  roundTripMs = 20;
  probes = 0;
  retired = 0;

  constructor(url: string, clock: FakeClock, isCurrent: () => boolean, learned = false) {
    this.url = url;
    this.learned = learned;
    this.link = new Link(
      clock,
      async (timeoutMs, signal) => {
        this.probes++;
        switch (this.state) {
          case "up":
            await clock.sleep(this.roundTripMs, signal);
            return { result: "answered", roundTripMs: this.roundTripMs };
          case "black hole":
            await clock.sleep(timeoutMs, signal);
            return { result: "silent", cause: "no answer to a probe" };
          case "refuses":
            await clock.sleep(1, signal);
            return { result: "silent", cause: "refused" };
          case "rejected":
            return { result: "rejected", cause: "UnknownIssuer" };
          default:
            return this.state satisfies never;
        }
      },
      () => 0,
      () => isCurrent() ? LINK_TIMES : STANDBY_TIMES,
    );
  }

  retire(): void {
    this.retired++;
  }
}

function setUp(specs: { roundTripMs?: number; state?: Cloud; learned?: boolean }[]) {
  const clock = new FakeClock();
  const servers: FakeServer[] = specs.map(({ learned, ...spec }, i) =>
    Object.assign(
      new FakeServer(`s${i}`, clock, () => cloud.current === servers[i], learned),
      spec,
    )
  );
  const cloud = new Servers(clock, () => 0.5, servers as [FakeServer, ...FakeServer[]]);
  const moves: Move[] = [];
  const states: string[] = [];
  cloud.onMove((move) => moves.push(move));
  cloud.subscribe(({ state }) => states.push(state));
  const stop = new AbortController();
  const running = cloud.run(stop.signal);
  return {
    clock,
    cloud,
    servers,
    moves,
    states,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
      assert.equal(clock.pending, 0, "timers are left");
    },
  };
}

/** All servers have been heard, the first is in use. */
async function setUpLive(...[specs]: Parameters<typeof setUp>) {
  const run = setUp(specs);
  await run.clock.advance(1_000);
  assert.equal(run.cloud.current.url, "s0");
  run.moves.length = 0;
  run.states.length = 0;
  return run;
}

Deno.test("Servers uses the first that answers at the start", async () => {
  await using run = setUp([{ roundTripMs: 300 }, { roundTripMs: 10 }]);
  await run.clock.advance(50);
  assert.equal(run.cloud.current.url, "s1");
  assert.equal(run.cloud.state.state, "up");
  assert.deepEqual(run.states, ["up"]);
});

Deno.test.each(
  [
    { how: "black hole", withinMs: 3_000 },
    { how: "refuses", withinMs: 1_000 },
    { how: "rejected", withinMs: 1_000 },
  ] as const,
)("Servers fails over within $withinMs ms of a request when the server $how", async (row) => {
  await using run = await setUpLive([{}, { roundTripMs: 60 }]);
  const [first, second] = run.servers;
  first!.state = row.how;
  if (row.how === "black hole") first!.link.expect("answer");
  else first!.link.suspect("reset");
  await run.clock.advance(row.withinMs);
  assert.deepEqual(run.moves, [{ from: "s0", to: "s1", why: "failed" }]);
  assert.equal(run.cloud.current, second);
  assert.equal(run.cloud.isOpen, true);
  assert.deepEqual(run.states, ["suspect", "up"], "nobody may take it for an outage");
  assert.equal(first!.retired, 1);
});

Deno.test("Servers fails over from a server whose round trip grew beyond its probes", async () => {
  await using run = await setUpLive([{}, { roundTripMs: 60 }]);
  run.servers[0]!.state = "black hole";
  run.servers[0]!.link.suspect("slow");
  await run.clock.advance(2_500);
  assert.equal(run.cloud.current.url, "s1");
});

Deno.test("Servers is down when the last server is, and up with the first that is back", async () => {
  await using run = await setUpLive([{}, {}]);
  for (const server of run.servers) server.state = "refuses";
  run.servers[0]!.link.suspect("reset");
  await run.clock.advance(2_000);
  assert.equal(run.cloud.isOpen, false);
  assert.equal(run.states.at(-1), "down");
  run.servers[1]!.state = "up";
  await run.clock.advance(60_000);
  assert.equal(run.cloud.current.url, "s1");
  assert.equal(run.states.at(-1), "up");
});

Deno.test("Servers knows that the others are dead too by the time the last one in use is", async () => {
  await using run = await setUpLive([{}, {}]);
  for (const server of run.servers) server.state = "black hole";
  run.servers[0]!.link.expect("answer");
  await run.clock.advance(4_000);
  // The second was asked in the meantime: it is not trusted for what it was a minute ago.
  assert.deepEqual(run.moves.filter(({ to }) => to === "s1"), []);
  assert.equal(run.cloud.isOpen, false);
});

Deno.test("Servers stays where it is when the former server is back and no nearer", async () => {
  await using run = await setUpLive([{}, {}]);
  run.servers[0]!.state = "refuses";
  run.servers[0]!.link.suspect("reset");
  await run.clock.advance(1_000);
  run.servers[0]!.state = "up";
  await run.clock.advance(600_000);
  assert.equal(run.moves.length, 1);
});

Deno.test("Servers moves to a nearer server after a minute, and not before", async () => {
  await using run = await setUpLive([{ roundTripMs: 20 }, { roundTripMs: 200 }]);
  run.servers[0]!.state = "refuses";
  run.servers[0]!.link.suspect("reset");
  await run.clock.advance(1_000);
  assert.equal(run.cloud.current.url, "s1");
  run.servers[0]!.state = "up";
  await run.clock.advance(45_000);
  assert.equal(run.cloud.current.url, "s1");
  await run.clock.advance(120_000);
  assert.deepEqual(run.moves.at(-1), { from: "s1", to: "s0", why: "farther" });
  assert.equal(run.states.at(-1), "up");
});

Deno.test("Servers never moves to a server that flaps, however near", async () => {
  await using run = await setUpLive([{ roundTripMs: 200 }, { roundTripMs: 210 }]);
  const flapping = run.servers[1]!;
  flapping.roundTripMs = 1;
  for (let i = 0; i < 40; i++) {
    flapping.state = i % 2 === 0 ? "refuses" : "up";
    if (flapping.state === "refuses") flapping.link.suspect("reset");
    await run.clock.advance(15_000);
  }
  assert.deepEqual(run.moves, []);
});

Deno.test("a server that stands by costs few probes, one in use none while bytes flow", async () => {
  await using run = await setUpLive([{}, {}]);
  const [used, other] = run.servers;
  for (const server of run.servers) server.probes = 0;
  for (let i = 0; i < 360; i++) {
    await run.clock.advance(10_000);
    used!.link.alive();
  }
  assert.ok(other!.probes <= 80, `${other!.probes}`);
  assert.ok(used!.probes <= 60, `${used!.probes}`);
});

Deno.test("a learned server costs nothing until all others are gone, and then is used", async () => {
  await using run = await setUpLive([{}, { learned: true }]);
  const [first, learned] = run.servers;
  const before = learned!.probes;
  await run.clock.advance(600_000);
  assert.equal(learned!.probes, before);
  first!.state = "black hole";
  const cut = first!.link.expect("answer");
  await run.clock.advance(5_000);
  cut();
  assert.equal(run.cloud.current.url, "s1");
  first!.state = "up";
  await run.clock.advance(240_000);
  assert.equal(run.cloud.current.url, "s0");
  const { probes } = learned!;
  await run.clock.advance(600_000);
  assert.equal(learned!.probes, probes);
});

Deno.test("instead() is another server that is up, and undefined without one", async () => {
  await using run = await setUpLive([{}, {}, {}]);
  const [first, second, third] = run.servers;
  assert.equal(run.cloud.instead(first!), second);
  second!.state = "refuses";
  second!.link.suspect("reset");
  await run.clock.advance(1_000);
  assert.equal(run.cloud.instead(first!), third);
  assert.equal(run.cloud.instead(third!), first);
  await using alone = await setUpLive([{}]);
  assert.equal(alone.cloud.instead(alone.servers[0]!), undefined);
});

Deno.test("pause() is short right after a move: what failed was the server that was left", async () => {
  await using run = await setUpLive([{}, {}]);
  run.servers[0]!.state = "refuses";
  run.servers[0]!.link.suspect("reset");
  const moved = Promise.withResolvers<void>();
  let done = false;
  run.cloud.onMove(() => {
    run.cloud.pause(30_000, never).then(() => done = true);
    moved.resolve();
  });
  await run.clock.advance(50);
  await moved.promise;
  await run.clock.advance(100);
  assert.equal(done, true);
});

Deno.test("Servers is open if any server is, whatever happens to them", async () => {
  const step = fc.record({
    server: fc.nat(2),
    state: fc.constantFrom<Cloud>("up", "black hole", "refuses", "rejected"),
    ms: fc.integer({ min: 0, max: 30_000 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
      await using run = setUp([{}, { roundTripMs: 50 }, { learned: true }]);
      let told = "suspect";
      run.cloud.subscribe(({ state }) => {
        assert.notEqual(state, told, "only changes are told");
        told = state;
      });
      for (const { server, state, ms } of steps) {
        run.servers[server]!.state = state;
        run.servers[server]!.link.suspect("test");
        await run.clock.advance(ms);
        assert.equal(told, run.cloud.state.state);
        const anyUp = run.servers.some(({ link }) => link.state.state === "up");
        if (anyUp) assert.equal(run.cloud.isOpen, true);
      }
      run.servers[1]!.state = "up";
      await run.clock.advance(120_000);
      assert.equal(run.cloud.isOpen, true, "it must find the way back");
    }),
    { numRuns: 60 },
  );
});
