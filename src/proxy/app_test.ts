import assert from "node:assert/strict";
import { getLogger } from "@logtape/logtape";
import { createProxyApp } from "./app.ts";
import type { Filters } from "./filters/filters.ts";
import type { LaneContext } from "./lanes/lane_context.ts";

const CONNECTION = { peer: undefined, canLeaveHttp: false, takeOver: () => {}, cut: () => {} };

Deno.test("createProxyApp() answers with a Status when it can not be found out who asks", async () => {
  const context = { stop: new AbortController().signal } as LaneContext;
  const app = createProxyApp(context, {
    filters: {} as Filters,
    callerOf: () => Promise.reject(new Error("the disk is gone")),
    logger: getLogger(["edge-agent", "test"]),
  });
  const request = new Request("http://node/api/v1/pods");
  const response = await app.fetch(request, { connection: CONNECTION as never });
  const { kind, code, message } = await response.json();
  assert.deepEqual({ status: response.status, kind, code }, {
    status: 500,
    kind: "Status",
    code: 500,
  });
  assert.match(message, /GET \/api\/v1\/pods: the disk is gone/);
});
