import assert from "node:assert/strict";
import type { ContractCase, Json } from "./scratch.ts";

const AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/** Version, health, discovery, OpenAPI. */
export const DISCOVERY_CASES: ContractCase[] = [
  {
    name: "/version names the version",
    async run(scratch) {
      const version = await scratch.get("/version");
      assert.match(version.gitVersion, /^v1\.\d+\.\d+/);
      assert.equal(version.major, "1");
    },
  },
  {
    name: "/readyz and /livez answer ok as plain text",
    async run({ target }) {
      for (const path of ["/readyz", "/livez"]) {
        const response = await target.fetch(path);
        assert.equal(await response.text(), "ok");
        assert.match(response.headers.get("content-type") ?? "", /^text\/plain/);
      }
    },
  },
  {
    name: "/api and /apis give the legacy lists to who asks for plain JSON",
    async run(scratch) {
      const core = await scratch.get("/api", 200, { accept: "application/json" });
      assert.equal(core.kind, "APIVersions");
      assert.deepEqual(core.versions, ["v1"]);
      const groups = await scratch.get("/apis", 200, { accept: "application/json" });
      assert.equal(groups.kind, "APIGroupList");
      const apps = groups.groups.find((group: { name: string }) => group.name === "apps");
      assert.equal(apps.preferredVersion.groupVersion, "apps/v1");
      const group = await scratch.get("/apis/apps");
      assert.equal(group.kind, "APIGroup");
      assert.equal(group.preferredVersion.version, "v1");
    },
  },
  {
    name: "/api and /apis are aggregated for who prefers that, with an ETag",
    async run({ target }) {
      for (const [path, resource] of [["/api", "configmaps"], ["/apis", "leases"]]) {
        const headers = { accept: `${AGGREGATED},application/json` };
        const response = await target.fetch(path!, { headers });
        assert.equal(response.headers.get("content-type"), AGGREGATED);
        const document = await response.json() as Json;
        assert.equal(document.kind, "APIGroupDiscoveryList");
        const found = document.items.flatMap((group) => group.versions)
          .flatMap((version) => version.resources ?? [])
          .find((known) => known.resource === resource);
        assert.equal(found.scope, "Namespaced");
        assert.ok(["get", "list", "watch"].every((verb) => found.verbs.includes(verb)));
        const etag = response.headers.get("etag") ?? "";
        assert.match(etag, /^"[0-9A-F]+"$/);
        const again = await target.fetch(path!, { headers: { ...headers, "if-none-match": etag } });
        assert.equal(again.status, 304);
        assert.equal(await again.text(), "");
      }
    },
  },
  {
    name: "the resources of a group version are listed",
    async run(scratch) {
      for (
        const [path, resource, kind] of [
          ["/api/v1", "pods", "Pod"],
          ["/apis/coordination.k8s.io/v1", "leases", "Lease"],
          ["/apis/discovery.k8s.io/v1", "endpointslices", "EndpointSlice"],
        ]
      ) {
        const list = await scratch.get(path!);
        assert.equal(list.kind, "APIResourceList");
        const found = list.resources.find((known: { name: string }) => known.name === resource);
        assert.equal(found.kind, kind);
        assert.equal(found.namespaced, true);
      }
    },
  },
  {
    name: "/openapi/v3 leads to a document per group version, with an ETag",
    async run({ target }) {
      const index = await (await target.fetch("/openapi/v3")).json();
      const { serverRelativeURL } = index.paths["apis/coordination.k8s.io/v1"];
      assert.match(
        serverRelativeURL,
        /^\/openapi\/v3\/apis\/coordination\.k8s\.io\/v1\?hash=[0-9A-F]+$/,
      );
      const response = await target.fetch(serverRelativeURL, {
        headers: { accept: "application/json" },
      });
      const document = await response.json();
      assert.match(document.openapi, /^3\./);
      assert.ok(response.headers.get("etag"));
    },
  },
  {
    name: "what is no API answers 404 in plain text",
    async run({ target }) {
      for (const path of ["/nothing", "/apis/nothing.example.org/v1"]) {
        const response = await target.fetch(path);
        assert.equal(response.status, 404, path);
        assert.equal((await response.text()).trim(), "404 page not found");
        assert.match(response.headers.get("content-type") ?? "", /^text\/plain/);
      }
    },
  },
  {
    name: "an unknown version or resource of a known group answers a 404 Status",
    async run(scratch) {
      const inside = `/api/v1/namespaces/${scratch.namespace}/gadgets`;
      for (const path of ["/api/v2", "/apis/apps/v9", inside, `${inside}/a`]) {
        assert.deepEqual(await scratch.get(path, 404), {
          kind: "Status",
          apiVersion: "v1",
          metadata: {},
          status: "Failure",
          message: "the server could not find the requested resource",
          reason: "NotFound",
          details: {},
          code: 404,
        });
      }
    },
  },
];
