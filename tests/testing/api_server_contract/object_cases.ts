import assert from "node:assert/strict";
import { type ContractCase, rvOf } from "./scratch.ts";

/** Reads and writes of one object. */
export const OBJECT_CASES: ContractCase[] = [
  {
    name: "GET of one object carries kind, apiVersion and an Audit-Id",
    async run(scratch) {
      const created = await scratch.createSecret("a");
      const response = await scratch.target.fetch(scratch.secrets("a"));
      assert.match(response.headers.get("audit-id") ?? "", /^[0-9a-f-]{36}$/);
      assert.equal(response.headers.get("content-type"), "application/json");
      const object = await response.json();
      assert.deepEqual([object.kind, object.apiVersion], ["Secret", "v1"]);
      assert.deepEqual(object.metadata, created.metadata);
      assert.match(object.metadata.uid, /^[0-9a-f-]{36}$/);
      assert.match(object.metadata.creationTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    },
  },
  {
    name: "GET of an unknown object answers a 404 Status",
    async run(scratch) {
      assert.deepEqual(await scratch.get(scratch.secrets("none"), 404), {
        kind: "Status",
        apiVersion: "v1",
        metadata: {},
        status: "Failure",
        message: 'secrets "none" not found',
        reason: "NotFound",
        details: { name: "none", kind: "secrets" },
        code: 404,
      });
      const lease = `/apis/coordination.k8s.io/v1/namespaces/${scratch.namespace}/leases/none`;
      const { message, details } = await scratch.get(lease, 404);
      assert.equal(message, 'leases.coordination.k8s.io "none" not found');
      assert.deepEqual(details, { name: "none", group: "coordination.k8s.io", kind: "leases" });
    },
  },
  {
    name: "POST refuses a name that is taken and a namespace that is not there",
    async run(scratch) {
      await scratch.createSecret("a");
      const twice = await scratch.send("POST", scratch.secrets(), { metadata: { name: "a" } }, 409);
      assert.equal(twice.reason, "AlreadyExists");
      assert.equal(twice.message, 'secrets "a" already exists');
      const elsewhere = `/api/v1/namespaces/${scratch.namespace}-none/secrets`;
      const lost = await scratch.send("POST", elsewhere, { metadata: { name: "a" } }, 404);
      assert.equal(lost.message, `namespaces "${scratch.namespace}-none" not found`);
    },
  },
  {
    name: "PUT with an old resourceVersion is a conflict, with the current one it is a change",
    async run(scratch) {
      const first = await scratch.createSecret("a");
      const second = await scratch.send("PUT", scratch.secrets("a"), {
        ...first,
        data: { k: "Mg==" },
      });
      assert.ok(rvOf(second) > rvOf(first));
      assert.equal(second.metadata.uid, first.metadata.uid);
      const late = await scratch.send("PUT", scratch.secrets("a"), { ...first, data: {} }, 409);
      assert.equal(late.reason, "Conflict");
      assert.match(late.message, /the object has been modified/);
      assert.deepEqual((await scratch.get(scratch.secrets("a"))).data, { k: "Mg==" });
    },
  },
  {
    name: "PUT that changes nothing keeps the resourceVersion",
    async run(scratch) {
      const created = await scratch.createSecret("a");
      const same = await scratch.send("PUT", scratch.secrets("a"), created);
      assert.equal(rvOf(same), rvOf(created));
    },
  },
  {
    name: "PATCH merges, and null removes",
    async run(scratch) {
      await scratch.createSecret("a", { keep: "1", drop: "1" });
      const patch = { metadata: { labels: { drop: null, add: "1" } } };
      const { metadata } = await scratch.send("PATCH", scratch.secrets("a"), patch);
      assert.deepEqual(metadata.labels, { keep: "1", add: "1" });
    },
  },
  {
    name: "DELETE answers a Success Status and the object is gone",
    async run(scratch) {
      const { metadata: { uid } } = await scratch.createSecret("a");
      const { kind, status, details } = await scratch.send("DELETE", scratch.secrets("a"));
      assert.deepEqual([kind, status], ["Status", "Success"]);
      assert.deepEqual(details, { name: "a", kind: "secrets", uid });
      await scratch.get(scratch.secrets("a"), 404);
      await scratch.send("DELETE", scratch.secrets("a"), undefined, 404);
    },
  },
];
