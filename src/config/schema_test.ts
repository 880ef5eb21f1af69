import assert from "node:assert/strict";
import * as z from "zod/mini";
import { ByteSize, HostPort } from "./scalars.ts";
import { envNameOf, formatPath, keysAt, leavesOf } from "./schema.ts";

const Schema = z.strictObject({
  stateDir: z.string(),
  log: z.prefault(z.strictObject({ level: z.prefault(z.enum(["a", "b"]), "a") }), {}),
  proxy: z.optional(z.strictObject({
    listen: z.prefault(HostPort, "127.0.0.1:1"),
    maxBytes: ByteSize,
    on: z.boolean(),
    identities: z.prefault(z.array(z.strictObject({ name: z.string() })), []),
  })),
});

Deno.test("leavesOf() lists every value that can be set and how it is written", () => {
  assert.deepEqual(leavesOf(Schema).map(({ path, isText }) => `${formatPath(path)} ${isText}`), [
    "stateDir true",
    "log.level true",
    "proxy.listen true",
    "proxy.maxBytes false",
    "proxy.on false",
    "proxy.identities false",
  ]);
});

Deno.test.each([
  { path: [], want: ["stateDir", "log", "proxy"] },
  { path: ["proxy"], want: ["listen", "maxBytes", "on", "identities"] },
  { path: ["proxy", "identities", 3], want: ["name"] },
  { path: ["proxy", "listen"], want: [] },
  { path: ["nothing", "here"], want: [] },
])("keysAt() gives $want for $path", ({ path, want }) => {
  assert.deepEqual(keysAt(Schema, path), want);
});

Deno.test("formatPath() and envNameOf() spell a path", () => {
  assert.equal(formatPath(["proxy", "identities", 0, "name"]), "proxy.identities[0].name");
  assert.equal(
    envNameOf(["proxy", "eventWindow", "maxBytes"]),
    "EDGE_AGENT_PROXY_EVENT_WINDOW_MAX_BYTES",
  );
});
