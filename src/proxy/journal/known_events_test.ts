import assert from "node:assert/strict";
import { KnownEvents } from "./known_events.ts";

const event = (name: string) => ({ metadata: { name }, message: "x".repeat(60) });

Deno.test("KnownEvents tells each caller's own, as it was last", () => {
  const known = new KnownEvents();
  known.set("identity:a", "/e/1", event("old"));
  known.set("identity:a", "/e/1", event("new"));
  assert.deepEqual(known.get("identity:a", "/e/1"), event("new"));
  assert.equal(known.get("identity:b", "/e/1"), undefined);
  assert.equal(known.get("identity:a", "/e/2"), undefined);
});

Deno.test("KnownEvents forgets the least recent when they take too much room", () => {
  const known = new KnownEvents(250);
  for (const name of ["1", "2"]) known.set("a", name, event(name));
  known.set("a", "1", event("1"));
  known.set("a", "3", event("3"));
  const all = ["1", "2", "3"].map((name) => known.get("a", name) !== undefined);
  assert.deepEqual(all, [true, false, true]);
});

Deno.test("KnownEvents lets no pod push out what the node itself wrote", () => {
  const known = new KnownEvents(250);
  known.set("identity:a", "1", event("1"));
  for (const name of ["2", "3", "4", "5"]) known.set("serviceaccount:ns:a", name, event(name));
  assert.notEqual(known.get("identity:a", "1"), undefined);
});
