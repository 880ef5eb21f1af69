import assert from "node:assert/strict";
import { POD_SCOPE } from "../../../tests/testing/hub_cloud.ts";
import { RefusedError } from "../../kube/answer.ts";
import type { Link } from "../link/link.ts";
import { chooseHub, newest, servable } from "./choose_hub.ts";
import type { Freshness } from "./freshness.ts";
import type { Hub } from "./hub.ts";
import type { Readiness } from "./readiness.ts";
import { formatScope, type Scope } from "./scope.ts";
import type { Scopes } from "./scopes.ts";

const JSON_SCOPE = POD_SCOPE;
const PROTOBUF_SCOPE: Scope = { ...POD_SCOPE, encoding: "protobuf" };
const BOTH = [PROTOBUF_SCOPE, JSON_SCOPE];
const never = new AbortController().signal;

const refusal = (status: number) =>
  new RefusedError("list", { status, headers: {}, body: new Uint8Array(0) });

/** What a stub of the scopes knows of one. */
interface Known {
  freshness: Freshness;
  resourceVersion?: string;
  changeVersion?: string;
  refusal?: Error;
}

/** Scopes that answer by a table; what is not in it is not known, and refused with `status` once it is asked for. */
function stubScopes(
  known: { json?: Known; protobuf?: Known },
  states: Record<string, Readiness["state"]>,
) {
  const hubs = new Map<string, Hub>();
  for (const scope of BOTH) {
    const hub = known[scope.encoding];
    if (hub !== undefined) {
      hubs.set(
        formatScope(scope),
        { scope, resourceVersion: "", changeVersion: "", ...hub } as unknown as Hub,
      );
    }
  }
  const reflected: string[] = [];
  const hub = (scope: Scope) => {
    const key = formatScope(scope);
    const fresh = { scope, freshness: "empty", resourceVersion: "", changeVersion: "" };
    if (!hubs.has(key)) hubs.set(key, fresh as unknown as Hub);
    return hubs.get(key)!;
  };
  const scopes = {
    known: (scope: Scope) => hubs.get(formatScope(scope)),
    hub,
    reflect(scope: Scope) {
      reflected.push(scope.encoding);
      return hub(scope);
    },
    ready: ({ scope }: Hub) => Promise.resolve({ state: states[scope.encoding] ?? "unknown" }),
  } as unknown as Scopes;
  return { scopes, reflected };
}

const up = { isOpen: true } as Link;
const down = { isOpen: false } as Link;
const choose = async (scopes: Scopes, link: Link, candidates: readonly Scope[] = BOTH) => {
  const { hub, state } = await chooseHub(scopes, link, candidates, {
    need: "current",
    signal: never,
  });
  return [hub.scope.encoding, state];
};

Deno.test("chooseHub() mirrors the first encoding alone when the cloud serves it", async () => {
  const { scopes, reflected } = stubScopes({}, { protobuf: "ready", json: "ready" });
  assert.deepEqual(await choose(scopes, up), ["protobuf", "ready"]);
  assert.deepEqual(reflected, ["protobuf"]);
});

Deno.test("chooseHub() falls to the next encoding when the cloud has not the first", async () => {
  const { scopes } = stubScopes(
    { protobuf: { freshness: "empty", refusal: refusal(406) } },
    { protobuf: "refused", json: "ready" },
  );
  assert.deepEqual(await choose(scopes, up), ["json", "ready"]);
});

Deno.test("chooseHub() does not ask in another encoding when the cloud says no to the client", async () => {
  const { scopes, reflected } = stubScopes(
    { protobuf: { freshness: "empty", refusal: refusal(403) } },
    { protobuf: "refused", json: "ready" },
  );
  assert.deepEqual(await choose(scopes, up), ["protobuf", "refused"]);
  assert.deepEqual(reflected, ["protobuf"]);
});

Deno.test("chooseHub() is refused when the client takes nothing that the cloud has", async () => {
  const { scopes } = stubScopes(
    { protobuf: { freshness: "empty", refusal: refusal(406) } },
    { protobuf: "refused" },
  );
  assert.deepEqual(await choose(scopes, up, [PROTOBUF_SCOPE]), ["protobuf", "refused"]);
});

Deno.test.each<{ name: string; known: { json?: Known; protobuf?: Known }; want: string[] }>([
  {
    name: "the one that is held",
    known: { json: { freshness: "declared" } },
    want: ["json", "ready"],
  },
  {
    name: "the first when both are as new",
    known: {
      json: { freshness: "declared", changeVersion: "7", resourceVersion: "9" },
      protobuf: { freshness: "declared", changeVersion: "7", resourceVersion: "8" },
    },
    want: ["protobuf", "ready"],
  },
  {
    name: "the later one when that knows of newer changes",
    known: {
      json: { freshness: "declared", changeVersion: "9", resourceVersion: "9" },
      protobuf: { freshness: "declared", changeVersion: "7", resourceVersion: "8" },
    },
    want: ["json", "ready"],
  },
])("chooseHub() answers link-down from $name", async ({ known, want }) => {
  const { scopes } = stubScopes(known, { protobuf: "ready", json: "ready" });
  assert.deepEqual(await choose(scopes, down), want);
});

Deno.test("chooseHub() asks for the first when the link is down and nothing is held", async () => {
  const { scopes, reflected } = stubScopes({}, {});
  assert.deepEqual(await choose(scopes, down), ["protobuf", "unknown"]);
  assert.deepEqual(reflected, ["protobuf"]);
});

Deno.test("chooseHub() answers from what is held when the link is lost while it waits", async () => {
  const { scopes } = stubScopes({ json: { freshness: "declared" } }, { json: "ready" });
  assert.deepEqual(await choose(scopes, up), ["json", "ready"]);
});

Deno.test("servable() leaves out what the cloud has not, unless there is nothing else", () => {
  const { scopes } = stubScopes({ protobuf: { freshness: "empty", refusal: refusal(406) } }, {});
  assert.deepEqual(servable(scopes, BOTH), [JSON_SCOPE]);
  assert.deepEqual(servable(scopes, [PROTOBUF_SCOPE]), [PROTOBUF_SCOPE]);
  const forbidden = stubScopes({ protobuf: { freshness: "empty", refusal: refusal(403) } }, {});
  assert.deepEqual(servable(forbidden.scopes, BOTH), BOTH);
});

Deno.test("newest() of nothing is undefined", () => {
  assert.equal(newest([], (hub: Hub) => hub), undefined);
});
