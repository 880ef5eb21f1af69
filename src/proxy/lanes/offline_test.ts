import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import { Link } from "../link/link.ts";
import { OfflineMarks } from "./offline.ts";

function setUp() {
  const clock = new FakeClock();
  const link = new Link(clock, () => new Promise(() => {}), () => 0);
  const lastAlive = {
    get atMs() {
      return link.aliveAtMs;
    },
  };
  return { clock, link, marks: new OfflineMarks(link, clock, lastAlive) };
}

const warning = (headers: HeadersInit) => new Headers(headers).get("warning");
const age = (headers: HeadersInit) => new Headers(headers).get("age");

Deno.test("headers() warn once per subject and outage, always with the same text", () => {
  const { link, marks } = setUp();
  link.alive();
  const first = warning(marks.headers("a"));
  assert.match(first ?? "", /^299 edge-agent "[^"]+"$/);
  assert.equal(warning(marks.headers("a")), null);
  assert.equal(warning(marks.headers("b")), first);
  link.suspect("reset");
  assert.equal(warning(marks.headers("a")), null, "the outage goes on");
  link.alive();
  assert.equal(warning(marks.headers("a")), first);
});

Deno.test("headers() remember no more subjects than a node has, however long they are", () => {
  const { link, marks } = setUp();
  link.alive();
  const long = "/".repeat(60_000);
  assert.notEqual(warning(marks.headers(`first${long}`)), null);
  assert.equal(warning(marks.headers(`first${long}${long}`)), null, "the beginning tells");
  for (let i = 0; i < 4_096; i++) marks.headers(`${i}${long}`);
  assert.notEqual(warning(marks.headers(`first${long}`)), null, "forgotten, and warned again");
});

Deno.test("headers() tell the whole seconds since the link was alive, or since what they are told", async () => {
  const { clock, link, marks } = setUp();
  assert.equal(age(marks.headers("never")), null);
  link.alive();
  await clock.advance(61_999);
  assert.equal(age(marks.headers("a")), "61");
  assert.equal(age(marks.headers("a", clock.now() - 5_000)), "5");
  clock.jump(-3_600_000);
  assert.equal(age(marks.headers("a")), "0", "a clock that was put back makes no negative age");
});

Deno.test.each<{ name: string; of: (marks: OfflineMarks) => Response; code: number; says: RegExp }>(
  [
    { name: "unknown()", of: (marks) => marks.unknown("Cannot get x"), code: 504, says: /no copy/ },
    {
      name: "notSent()",
      of: (marks) => marks.notSent("Cannot create x"),
      code: 503,
      says: /nothing was changed/,
    },
    {
      name: "outcomeUnknown()",
      of: (marks) => marks.outcomeUnknown("Cannot create x"),
      code: 504,
      says: /outcome is unknown/,
    },
  ],
)("$name is a Status $code that client-go does not sleep on", async ({ of, code, says }) => {
  const { marks } = setUp();
  const response = of(marks);
  assert.equal(response.status, code);
  assert.equal(response.headers.get("retry-after"), null);
  const { kind, message } = await response.json();
  assert.equal(kind, "Status");
  assert.match(message, /^Cannot (get|create) x: /);
  assert.match(message, says);
});
