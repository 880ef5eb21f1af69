import assert from "node:assert/strict";
import { POD_SCOPE } from "../../../tests/testing/hub_cloud.ts";
import type { Hub } from "./hub.ts";
import type { Scope } from "./scope.ts";
import { admits, MAX_SCOPES_PER_BEARER } from "./scope_share.ts";

const POD = "serviceaccount:ns:a";
const scopeOf = (caller: string, labelSelector: string): Scope => ({
  ...POD_SCOPE,
  caller,
  labelSelector,
});

/** As many as there may be, of one caller; the first was asked for last, unless it is watched. */
function setUp(options: { caller?: string; watched?: number } = {}) {
  const { caller = POD, watched = 0 } = options;
  const all = Array.from({ length: MAX_SCOPES_PER_BEARER }, (_, i) => ({
    hub: { scope: scopeOf(caller, `a=${i}`), isWatched: i < watched } as Hub,
    reflected: true,
    askedMs: 1_000 - i,
  }));
  const forgotten: string[] = [];
  const scopes = {
    known: (scope: Scope) =>
      all.find(({ hub }) =>
        hub.scope.caller === scope.caller && hub.scope.labelSelector === scope.labelSelector
      )?.hub,
    hubs: () => all,
    forget(hub: Hub) {
      forgotten.push(hub.scope.labelSelector);
      return Promise.resolve(true);
    },
  };
  return { scopes, forgotten };
}

Deno.test("admits() forgets what a bearer left alone for longest for something new of its", () => {
  const { scopes, forgotten } = setUp();
  assert.ok(admits(scopes, scopeOf(POD, "new")));
  assert.deepEqual(forgotten, [`a=${MAX_SCOPES_PER_BEARER - 1}`]);
});

Deno.test("admits() admits nothing new while a bearer watches all that it may", () => {
  const { scopes, forgotten } = setUp({ watched: MAX_SCOPES_PER_BEARER });
  assert.ok(!admits(scopes, scopeOf(POD, "new")));
  assert.ok(admits(scopes, scopeOf(POD, "a=3")), "what is held already");
  assert.deepEqual(forgotten, []);
});

Deno.test("admits() counts callers apart, and no identity", () => {
  const { scopes, forgotten } = setUp({ watched: MAX_SCOPES_PER_BEARER });
  assert.ok(admits(scopes, scopeOf("serviceaccount:ns:b", "new")));
  const own = setUp({ caller: "identity:node", watched: MAX_SCOPES_PER_BEARER });
  assert.ok(admits(own.scopes, scopeOf("identity:node", "new")));
  assert.deepEqual([...forgotten, ...own.forgotten], []);
});
