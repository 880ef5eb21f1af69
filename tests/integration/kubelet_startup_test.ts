import assert from "node:assert/strict";
import { startFakeSite } from "../testing/fake_site.ts";
import { KUBELET_STARTUP } from "../testing/startup/recording.ts";
import { describe, replay, type SendRequest } from "../testing/startup/replay.ts";

const { starts, userAgent } = KUBELET_STARTUP;

/** What the kubelet reads when it starts; the fake cloud does not decode what it writes, which is protobuf. */
const READS = starts["a restart with a pod"].filter(({ method }) => method === "GET");

/** The kubelet's objects, by resource. */
const OBJECTS = [
  ["nodes", { metadata: { name: "edge-1" } }],
  ["csinodes.storage.k8s.io", { metadata: { name: "edge-1" } }],
  ["leases.coordination.k8s.io", { metadata: { name: "edge-1", namespace: "kube-node-lease" } }],
  ["services", {
    metadata: { name: "kubernetes", namespace: "default" },
    spec: { clusterIP: "10.96.0.1" },
  }],
  ["secrets", { metadata: { name: "web", namespace: "default" } }],
  ["configmaps", { metadata: { name: "web", namespace: "default" } }],
  ["configmaps", { metadata: { name: "kube-root-ca.crt", namespace: "default" } }],
  ["pods", { metadata: { name: "web", namespace: "default" }, spec: { nodeName: "edge-1" } }],
] as const;

/** Two resources of the kubelet's that the fake has not by itself. */
const MORE_RESOURCES = [
  {
    group: "storage.k8s.io",
    version: "v1",
    resource: "csidrivers",
    singular: "csidriver",
    kind: "CSIDriver",
    namespaced: false,
  },
  {
    group: "node.k8s.io",
    version: "v1",
    resource: "runtimeclasses",
    singular: "runtimeclass",
    kind: "RuntimeClass",
    namespaced: false,
  },
];

Deno.test("S13 what a kubelet reads when it starts is answered link-down as link-up", async () => {
  await using site = await startFakeSite({ cloud: { resources: MORE_RESOURCES } });
  for (const [resource, object] of OBJECTS) site.cloud.create(resource, structuredClone(object));
  const read = async () => {
    const send: SendRequest = (path, init) => site.proxy.fetch(path, init);
    const answers = await replay(READS, { send, podUid: "", userAgent });
    return answers.map(({ request, status, object, events }) => ({
      request: describe(request),
      ...{ status, object, events },
    }));
  };
  const up = await read();
  for (const { request, status } of up) assert.equal(status, 200, request);
  const names = up.flatMap(({ object, events = [] }) =>
    [object, ...events.map((event) => event.object)].flatMap((each) => each?.name || [])
  );
  assert.deepEqual(new Set(names), new Set(OBJECTS.map(([, { metadata }]) => metadata.name)));
  site.link.set({ state: "refused" });
  assert.deepEqual(await read(), up);
  await site.restart();
  assert.deepEqual(await read(), up);
});
