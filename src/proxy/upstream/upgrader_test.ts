import assert from "node:assert/strict";
import { MemoryStream } from "../../../tests/testing/memory_stream.ts";
import type { DialOptions } from "../../platform/dial.ts";
import type { Caller } from "../identity/identity.ts";
import type { ProxyRequest } from "./forward.ts";
import { Upgrader } from "./upgrader.ts";
import { UnreachableError } from "./upstream.ts";

const CALLER: Caller = { kind: "identity", name: "node", key: "identity:node" };
const CERTIFICATE = { cert: "cert", key: "key" };

/** An upgrader and what it works with, all in memory. */
function start(options: { open?: boolean; refuses?: Error; url?: string } = {}) {
  const cloud = new MemoryStream();
  const dialled: DialOptions[] = [];
  const facts = { alive: 0, suspect: "", waiting: 0 };
  const cut = new AbortController();
  const gone = new AbortController();
  const { open = true, refuses, url = "https://cloud:6443" } = options;
  const link = {
    state: { state: "down", sinceMs: 0, cause: "test" } as const,
    isOpen: open,
    cut: cut.signal,
    alive: () => void facts.alive++,
    suspect: (cause: string) => void (facts.suspect = cause),
    expect() {
      facts.waiting++;
      return () => void facts.waiting--;
    },
  };
  const upgrader = new Upgrader(
    () => ({ url, ca: () => Promise.resolve("ca"), link }),
    {
      credential: () =>
        Promise.resolve({ key: "k", version: 1, certificate: CERTIFICATE, token: "cloud" }),
    },
    (options) => {
      dialled.push(options);
      return refuses ? Promise.reject(refuses) : Promise.resolve(cloud);
    },
  );
  const request: ProxyRequest = {
    method: "POST",
    path: "/api/v1/namespaces/a/pods/b/exec",
    query: new URLSearchParams("command=ls&command=-l a"),
    headers: new Headers({ connection: "Upgrade", upgrade: "SPDY/3.1" }),
    info: { kind: "non-resource", method: "POST", path: "/" },
    caller: CALLER,
    signal: gone.signal,
    readBody: () => Promise.resolve(undefined),
  };
  return { cloud, dialled, facts, cut, gone, ask: () => upgrader.ask(request) };
}

const SWITCHED = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\n\r\n";

Deno.test("Upgrader asks as the caller and hands over what the cloud already said", async () => {
  const { cloud, dialled, facts, ask } = start();
  cloud.say(`HTTP/1.1 100 Continue\r\n\r\n${SWITCHED}early`);
  const answer = await ask();
  assert.equal(answer.kind, "switched");
  if (answer.kind !== "switched") return;
  assert.equal(new TextDecoder().decode(answer.early), "early");
  const [{ url, ca, certificate } = assert.fail()] = dialled;
  assert.deepEqual([url, ca, certificate], ["https://cloud:6443", "ca", CERTIFICATE]);
  assert.deepEqual(cloud.written.split("\r\n"), [
    "POST /api/v1/namespaces/a/pods/b/exec?command=ls&command=-l+a HTTP/1.1",
    "Host: cloud:6443",
    "Connection: Upgrade",
    "Upgrade: SPDY/3.1",
    "Authorization: Bearer cloud",
    "",
    "",
  ]);
  // From now on silence means nothing, but every byte does.
  assert.deepEqual(facts, { alive: 1, suspect: "", waiting: 0 });
  cloud.say("more");
  await answer.cloud.read();
  assert.equal(facts.alive, 2);
});

Deno.test("Upgrader keeps the path of a server that has one", async () => {
  const { cloud, ask } = start({ url: "https://cloud/k8s/clusters/c1" });
  cloud.say(SWITCHED);
  await ask();
  assert.match(cloud.written, /^POST \/k8s\/clusters\/c1\/api\/v1\/.*\r\nHost: cloud\r\n/);
});

Deno.test("Upgrader passes on an answer with its body and headers", async () => {
  const { cloud, ask } = start();
  cloud.say(
    "HTTP/1.1 403 Forbidden\r\nAudit-Id: a\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nno",
  );
  const answer = await ask();
  if (answer.kind !== "answered") return assert.fail();
  const { status, headers } = answer.response;
  assert.deepEqual([status, headers.get("audit-id"), headers.get("connection")], [403, "a", null]);
  assert.equal(await answer.response.text(), "no");
  assert.ok(cloud.closed);
});

Deno.test("Upgrader breaks a body off when the link is lost in the middle", async () => {
  const { cloud, cut, ask } = start();
  cloud.say("HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nno");
  const answer = await ask();
  if (answer.kind !== "answered") return assert.fail();
  const text = answer.response.text();
  cut.abort(new Error("down"));
  await assert.rejects(text);
  assert.ok(cloud.closed);
});

Deno.test("Upgrader does not try while the link is down", async () => {
  const { dialled, ask } = start({ open: false });
  await assert.rejects(ask(), (error) => error instanceof UnreachableError && !error.sent);
  assert.equal(dialled.length, 0);
});

Deno.test("Upgrader tells the link of a connection that can't be made: nothing was sent", async () => {
  const { facts, ask } = start({ refuses: new Error("connection refused") });
  await assert.rejects(ask(), (error) => error instanceof UnreachableError && !error.sent);
  assert.deepEqual(facts, { alive: 0, suspect: "connection refused", waiting: 0 });
});

Deno.test.each([
  { name: "ends", say: null },
  { name: "speaks something else", say: "SSH-2.0-x\r\n\r\n" },
])("Upgrader does not know what became of a request when the cloud $name", async ({ say }) => {
  const { cloud, facts, ask } = start();
  cloud.say(say);
  await assert.rejects(ask(), (error) => error instanceof UnreachableError && error.sent);
  assert.notEqual(facts.suspect, "");
  assert.ok(cloud.closed);
});

Deno.test("Upgrader gives up when the link is lost, and when the client is gone", async () => {
  const lost = start();
  const asking = lost.ask();
  lost.cut.abort(new Error("down"));
  await assert.rejects(asking, UnreachableError);
  assert.ok(lost.cloud.closed);

  const left = start();
  const leaving = left.ask();
  left.gone.abort(new Error("gone"));
  await assert.rejects(leaving, /gone/);
  assert.deepEqual([left.cloud.closed, left.facts.suspect], [true, ""]);
});
