import assert from "node:assert/strict";
import { nearest } from "./nearest.ts";

const KEYS = ["listen", "upstream", "identities", "prefetch", "eventWindow", "log"];

Deno.test.each([
  { text: "lisen", want: "listen" },
  { text: "listne", want: "listen" },
  { text: "Listen", want: "listen" },
  { text: "upstreams", want: "upstream" },
  { text: "eventwindow", want: "eventWindow" },
  { text: "identity", want: "identities" },
  { text: "logs", want: "log" },
  { text: "passwords", want: undefined },
  { text: "x", want: undefined },
  { text: "", want: undefined },
])("nearest() gives $want for '$text'", ({ text, want }) => {
  assert.equal(nearest(text, KEYS), want);
});

Deno.test("nearest() prefers the closest of several", () => {
  assert.equal(nearest("certfile", ["caFile", "keyFile", "certFile"]), "certFile");
});
