import assert from "node:assert/strict";
import fc from "fast-check";
import { text, utf8 } from "../../../tests/testing/arbitraries.ts";
import { parseJson } from "../../kube/codec/json.ts";
import { JSON_ENCODING } from "../../kube/codec/json_encoding.ts";
import type { StoredObject } from "../../kube/object_meta.ts";
import { formatFrame, parseWatchEvent } from "../../kube/watch_event.ts";
import type { WindowEvent } from "./event_window.ts";
import { isInView, type View, viewFrame } from "./view.ts";

const PODS = { encoding: JSON_ENCODING, itemType: { kind: "Pod", apiVersion: "v1" } };

const body = (name: string, version: number, app: string) =>
  utf8(JSON.stringify({
    metadata: { name, namespace: "shop", resourceVersion: String(version), labels: { app } },
    spec: { app },
  }));

const appIs = (app: string): NonNullable<View["filter"]> => ({ body }) =>
  (parseJson(body) as { spec: { app: string } }).spec.app === app;

const event = (type: WindowEvent["type"], app: string, before?: string): WindowEvent => ({
  type,
  key: "shop/a",
  resourceVersion: "7",
  frame: formatFrame(type, body("a", 7, app)),
  ...(before !== undefined && { previous: body("a", 5, before) }),
});

function told(view: View, of: WindowEvent): string | undefined {
  const frame = viewFrame(view, of, PODS);
  if (frame === undefined) return undefined;
  const { type, object } = parseWatchEvent(frame);
  const { metadata } = JSON.parse(text(object));
  return `${type} ${metadata.name}@${metadata.resourceVersion} ${metadata.labels.app}`;
}

Deno.test.each([
  { what: "ADDED that matches", of: event("ADDED", "web"), want: "ADDED a@7 web" },
  { what: "ADDED that does not", of: event("ADDED", "db"), want: undefined },
  { what: "MODIFIED, both match", of: event("MODIFIED", "web", "web"), want: "MODIFIED a@7 web" },
  { what: "MODIFIED, begins to match", of: event("MODIFIED", "web", "db"), want: "ADDED a@7 web" },
  // The state that still matched, with the version of the change (as the cacher does).
  {
    what: "MODIFIED, ceases to match",
    of: event("MODIFIED", "db", "web"),
    want: "DELETED a@7 web",
  },
  { what: "MODIFIED, neither matches", of: event("MODIFIED", "db", "x"), want: undefined },
  { what: "DELETED that matched", of: event("DELETED", "web"), want: "DELETED a@7 web" },
  { what: "DELETED that did not", of: event("DELETED", "db"), want: undefined },
])("viewFrame() of a $what is $want", ({ of, want }) => {
  assert.equal(told({ filter: appIs("web") }, of), want);
});

Deno.test("viewFrame() gives an object that ceased to match its kind", () => {
  const frame = viewFrame({ filter: appIs("web") }, event("MODIFIED", "db", "web"), PODS)!;
  const object = parseJson(parseWatchEvent(frame).object) as Record<string, unknown>;
  assert.deepEqual([object.kind, object.apiVersion], ["Pod", "v1"]);
});

Deno.test("viewFrame() shows the metadata alone when asked to", () => {
  const frame = viewFrame({ show: "metadata" }, event("MODIFIED", "web", "web"), PODS)!;
  assert.deepEqual(parseJson(frame), {
    type: "MODIFIED",
    object: {
      kind: "PartialObjectMetadata",
      apiVersion: "meta.k8s.io/v1",
      metadata: {
        name: "a",
        namespace: "shop",
        resourceVersion: "7",
        labels: { app: "web" },
      },
    },
  });
});

Deno.test.each([
  { key: "shop/a", want: true },
  { key: "shop-test/a", want: false },
  { key: "sho/a", want: false },
  { key: "shop", want: false },
])("isInView() of the key $key in a namespace's range is $want", ({ key, want }) => {
  const view = { range: { after: "shop/", before: "shop0" } };
  assert.equal(isInView(view, { key, body: utf8("{}") }), want);
});

Deno.test("viewFrame() leads a watcher to exactly what the view holds in the end", () => {
  const app = fc.constantFrom("web", "db");
  const step = fc.record({ key: fc.constantFrom("a", "b"), app: fc.option(app) });
  fc.assert(fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
    const hub = new Map<string, StoredObject>();
    const seen = new Map<string, string>();
    const view: View = { filter: appIs("web") };
    steps.forEach(({ key, app }, index) => {
      const version = index + 1;
      const former = hub.get(key);
      if (former === undefined && app === null) return;
      const type = app === null ? "DELETED" : former === undefined ? "ADDED" : "MODIFIED";
      const object = app === null ? former!.body : body(key, version, app);
      const frame = viewFrame(
        view,
        {
          type,
          key,
          resourceVersion: String(version),
          frame: formatFrame(type, object),
          ...(type === "MODIFIED" && { previous: former!.body }),
        },
        PODS,
      );
      if (app === null) hub.delete(key);
      else hub.set(key, { key, uid: key, resourceVersion: String(version), body: object });
      if (frame === undefined) return;
      const change = parseWatchEvent(frame);
      const known = seen.has(key);
      assert.equal(change.type === "ADDED", !known, "ADDED exactly when it was not known");
      if (change.type === "DELETED") seen.delete(key);
      else seen.set(key, text(change.object));
    });
    const wanted = [...hub.values()].filter((object) => isInView(view, object));
    assert.deepEqual(
      [...seen].toSorted(),
      wanted.map((object) => [object.key, text(object.body)]).toSorted(),
    );
  }));
});
