import assert from "node:assert/strict";
import { Hub } from "../../src/proxy/hub/hub.ts";
import { ScopeContent } from "../../src/proxy/hub/scope_content.ts";
import type { StateStore } from "../../src/proxy/store/state_store.ts";
import { utf8 } from "../testing/arbitraries.ts";
import { POD_SCOPE, relist } from "../testing/hub_cloud.ts";
import { countItems, StateFile } from "../testing/state_file.ts";
import { readAll } from "../testing/state_store_contract.ts";

const pods = (...names: string[]) =>
  names.map((name) =>
    utf8(JSON.stringify({ metadata: { name, uid: name, resourceVersion: "3" } }))
  );

function hubOver(store: StateStore): Hub {
  return new Hub({
    scope: POD_SCOPE,
    content: new ScopeContent(store, 1, POD_SCOPE),
    limits: { maxEvents: 100, maxBytes: 1_000_000 },
    now: () => 0,
    events: { deleted() {}, relisted() {}, damaged() {} },
    row: store.scopes()[0],
  });
}

Deno.test("S10 a list whose rows do not add up is replaced at once by the next one", async () => {
  await using file = new StateFile();
  {
    await using store = await file.open();
    await relist(hubOver(store), pods("a", "b", "c"), 10);
  }
  file.look((db) => db.exec("DELETE FROM items WHERE key = 'b'"));
  await using store = await file.open();
  const hub = hubOver(store);
  await relist(hub, pods("a", "b", "c"), 20);
  assert.deepEqual([hub.freshness, [...hub.content.versions().keys()].sort()], [
    "current",
    ["a", "b", "c"],
  ]);
  assert.equal(readAll(store, 1).length, 3, "also before it is written");
  await file.until((db) => countItems(db) === 3);
  assert.equal(readAll(store, 1).length, 3);
});
