import assert from "node:assert/strict";
import { type Candidate, type Choice, choose } from "./choice.ts";

const server = (more: Partial<Candidate> = {}): Candidate => ({
  state: "up",
  roundTripMs: 20,
  learned: false,
  known: true,
  ...more,
});
const far = server({ roundTripMs: 200 });
const down = server({ state: "down" });

Deno.test.each<{ name: string; servers: Candidate[]; want: Choice }>([
  { name: "the only one", servers: [server()], want: { do: "stay" } },
  { name: "the only one when it is down", servers: [down], want: { do: "stay" } },
  { name: "the current of equals", servers: [server(), server()], want: { do: "stay" } },
  {
    name: "another for a dead one",
    servers: [down, server()],
    want: { do: "fail over", to: 1 },
  },
  {
    name: "another for one whose certificate fails",
    servers: [server({ state: "rejected" }), far],
    want: { do: "fail over", to: 1 },
  },
  {
    name: "the nearest for a dead one",
    servers: [down, far, server()],
    want: { do: "fail over", to: 2 },
  },
  {
    name: "nobody who is not known to be up",
    servers: [down, server({ state: "suspect" }), down],
    want: { do: "stay" },
  },
  {
    name: "no other one on a mere suspicion",
    servers: [server({ state: "suspect" }), server({ roundTripMs: 15 })],
    want: { do: "stay" },
  },
  {
    name: "the one that answers first at the start",
    servers: [server({ state: "suspect", known: false, roundTripMs: undefined }), far],
    want: { do: "fail over", to: 1 },
  },
  {
    name: "a much nearer one",
    servers: [far, server()],
    want: { do: "move", to: 1 },
  },
  {
    name: "to stay when the gain is small in ms",
    servers: [server(), server({ roundTripMs: 2 })],
    want: { do: "stay" },
  },
  {
    name: "to stay when the gain is small in share",
    servers: [far, server({ roundTripMs: 150 })],
    want: { do: "stay" },
  },
  {
    name: "a configured one before a learned one that is nearer",
    servers: [down, server({ learned: true, roundTripMs: 1 }), far],
    want: { do: "fail over", to: 2 },
  },
  {
    name: "a learned one when nothing else is left",
    servers: [down, server({ learned: true }), down],
    want: { do: "fail over", to: 1 },
  },
  {
    name: "the way back from a learned one",
    servers: [server({ learned: true, roundTripMs: 1 }), far],
    want: { do: "move", to: 1 },
  },
])("choose() chooses $name", ({ servers, want }) => {
  assert.deepEqual(choose(servers, 0), want);
});
