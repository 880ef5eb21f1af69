import assert from "node:assert/strict";
import { text, utf8 } from "../../../tests/testing/arbitraries.ts";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import { MemoryStore } from "../../../tests/testing/memory_store.ts";
import { parseRequestInfo, type ResourceRequest } from "../../kube/request_info.ts";
import { KeptAnswers, objectAnswerKey } from "../store/kept.ts";
import type { ProxyRequest } from "../upstream/forward.ts";
import type { LaneContext } from "./lane_context.ts";
import { rememberWrite } from "./written.ts";

const CALLER = "identity:node";
const POD = "/api/v1/namespaces/shop/pods/a";
const PODS = { group: "", version: "v1", resource: "pods" };

const pod = (resourceVersion: string, more: Record<string, unknown> = {}) => ({
  kind: "Pod",
  apiVersion: "v1",
  metadata: { name: "a", namespace: "shop", resourceVersion, ...more },
});

/** A node that once read the pod at version 5. */
function setUp() {
  const kept = new KeptAnswers(new MemoryStore().asStateStore(), new FakeClock());
  const key = objectAnswerKey(CALLER, PODS, "shop/a", "object");
  const headers = { "content-type": "application/json" };
  kept.keep(key, { status: 200, headers, body: utf8(JSON.stringify(pod("5"))) }, "5");
  const context = { kept, scopes: { siblings: () => [] } } as unknown as LaneContext;
  return {
    write(
      line: string,
      body: unknown,
      more: { status?: number; type?: string; sent?: string } = {},
    ) {
      const [method = "", target = ""] = line.split(" ");
      const [path = "", search] = target.split("?");
      const query = new URLSearchParams(search);
      const info = parseRequestInfo(method, path, query) as ResourceRequest;
      const request = { info, query, caller: { kind: "identity", name: "node", key: CALLER } };
      rememberWrite(context, request as ProxyRequest, more.sent && utf8(more.sent) || undefined, {
        status: more.status ?? 200,
        headers: { "content-type": more.type ?? "application/json" },
        body: utf8(JSON.stringify(body)),
      });
      const answer = kept.get(key);
      return answer && JSON.parse(text(answer.body)).metadata.resourceVersion;
    },
  };
}

const success = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success" };
const scale = { ...pod("7"), kind: "Scale", apiVersion: "autoscaling/v1" };
const lingering = (more: Record<string, unknown>) =>
  pod("7", { deletionTimestamp: "2026-01-01T00:00:00Z", ...more });

Deno.test.each([
  { what: "a newer state", line: `PUT ${POD}`, body: pod("7"), want: "7" },
  { what: "its status", line: `PATCH ${POD}/status`, body: pod("7"), want: "7" },
  { what: "an older state", line: `PUT ${POD}`, body: pod("4"), want: "5" },
  { what: "something of another kind", line: `PUT ${POD}/scale`, body: scale, want: "5" },
  { what: "a success without an object", line: `POST ${POD}/eviction`, body: success, want: "5" },
  {
    what: "another object",
    line: `PUT ${POD}`,
    body: { ...pod("7"), metadata: { name: "b" } },
    want: "5",
  },
  { what: "a deletion", line: `DELETE ${POD}`, body: success, want: undefined },
  { what: "the object that was deleted", line: `DELETE ${POD}`, body: pod("7"), want: undefined },
  {
    what: "a deletion that has yet to come",
    line: `DELETE ${POD}`,
    body: lingering({ deletionGracePeriodSeconds: 30 }),
    want: "7",
  },
  {
    what: "a deletion that waits for a finalizer",
    line: `DELETE ${POD}`,
    body: lingering({ finalizers: ["x"] }),
    want: "7",
  },
  {
    what: "a deletion at once",
    line: `DELETE ${POD}`,
    body: lingering({ deletionGracePeriodSeconds: 0 }),
    want: undefined,
  },
  {
    what: "a collection that was deleted",
    line: "DELETE /api/v1/namespaces/shop/pods",
    body: { kind: "PodList", apiVersion: "v1", metadata: {}, items: [pod("5")] },
    want: undefined,
  },
])("rememberWrite() of $what leaves $want", ({ line, body, want }) => {
  assert.equal(setUp().write(line, body), want);
});

Deno.test("rememberWrite() learns nothing from a refusal", () => {
  assert.equal(setUp().write(`DELETE ${POD}`, success, { status: 409 }), "5");
  assert.equal(setUp().write(`PUT ${POD}`, pod("7"), { status: 409 }), "5");
});

Deno.test("rememberWrite() takes a dry run for what it is", () => {
  assert.equal(setUp().write(`PUT ${POD}?dryRun=All`, pod("7")), "5");
  assert.equal(setUp().write(`DELETE ${POD}?dryRun=All`, success), "5");
  for (const sent of ['{"kind":"DeleteOptions","dryRun":["All"]}', "k8s\0\n\x12*\x03All"]) {
    assert.equal(setUp().write(`DELETE ${POD}`, success, { sent }), "5", sent);
  }
  const sent = '{"kind":"DeleteOptions","gracePeriodSeconds":0}';
  assert.equal(setUp().write(`DELETE ${POD}`, success, { sent }), undefined);
});

Deno.test("rememberWrite() keeps no other encoding or shape under the name of this one", () => {
  for (const type of ["application/vnd.kubernetes.protobuf", "application/json;as=Table;v=v1"]) {
    assert.equal(setUp().write(`PUT ${POD}`, pod("7"), { type }), "5", type);
    assert.equal(setUp().write(`DELETE ${POD}`, pod("7"), { type }), undefined, type);
  }
});
