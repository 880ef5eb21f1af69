import assert from "node:assert/strict";
import { AgentError, errorMessage, UnavailableError, UsageError } from "./errors.ts";

Deno.test.each([
  { name: "an error", error: new Error("a"), want: "a" },
  {
    name: "its causes behind it",
    error: new Error("a", { cause: new Error("b", { cause: "c" }) }),
    want: "a: b: c",
  },
  {
    name: "a cause that its error repeats only once",
    error: new Error("fetch failed: reset", { cause: new Error("reset") }),
    want: "fetch failed: reset",
  },
  { name: "a cause behind an empty message", error: new Error("", { cause: "b" }), want: "b" },
  { name: "a thrown text", error: "boom", want: "boom" },
  { name: "nothing", error: undefined, want: "unknown error" },
  { name: "null", error: null, want: "unknown error" },
])("errorMessage() says $name", ({ error, want }) => assert.equal(errorMessage(error), want));

Deno.test("errorMessage() ends when an error is its own cause", () => {
  const error = new Error("loop");
  error.cause = error;
  assert.equal(errorMessage(error), "loop");
});

Deno.test("errorMessage() ends when causes go on for ever", () => {
  const endless = (n: number): Error =>
    Object.defineProperty(new Error(`<${n}>`), "cause", { get: () => endless(n + 1) });
  assert.equal(errorMessage(endless(0)), "<0>: <1>: <2>: <3>: <4>");
});

Deno.test("AgentError takes the name of its class and keeps the cause", () => {
  const cause = new Error("ENOENT");
  const error = new UnavailableError("no disk", { cause });
  assert.deepEqual([error.name, error.code, error.cause], [
    "UnavailableError",
    "unavailable",
    cause,
  ]);
  assert.ok(error instanceof AgentError);
  assert.equal(new UsageError("x").code, "usage");
});

Deno.test.each([
  {
    name: "path and query of a request",
    text: "error sending request for url (https://10.0.0.1:6443/api/v1/x?token=s3cret): refused",
    want: "error sending request for url (https://10.0.0.1:6443): refused",
  },
  {
    name: "the same beside addresses",
    text:
      "error sending request from 1.1.1.1:1 for https://[::1]:6443/x?token=s3cret ([::1]:6443): eof",
    want: "error sending request from 1.1.1.1:1 for https://[::1]:6443 ([::1]:6443): eof",
  },
  { name: "any query", text: "at https://a/b?token=s3cret", want: "at https://a/b" },
  { name: "and keeps a path", text: "Cannot use https://a/b", want: "Cannot use https://a/b" },
])("errorMessage() leaves out $name", ({ text, want }) => {
  const error = new TypeError("fetch failed", { cause: new Error(text) });
  assert.equal(errorMessage(error), `fetch failed: ${want}`);
});
