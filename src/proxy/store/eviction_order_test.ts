import assert from "node:assert/strict";
import { keptRank, type Rank, scopeRank } from "./eviction_order.ts";

Deno.test.each<{ key: string; want: Rank }>([
  { key: "object\nidentity:node\nv1/pods\nns/a\nobject", want: "first" },
  { key: "object\nidentity:node\nv1/secrets\nns/a\nobject", want: "first" },
  { key: "object\nidentity:node\ncoordination.k8s.io/v1/leases\nns/a\nobject", want: "last" },
  { key: "object\nidentity:node\nstorage.k8s.io/v1/csinodes\na\nobject", want: "last" },
  { key: "object\nidentity:node\nv1/persistentvolumeclaims\nns/a\nobject", want: "last" },
  { key: "review\nidentity:node\nx", want: "first" },
  { key: "discovery\n/api\n*/*", want: "later" },
  { key: "hash\n/openapi/v3/api", want: "later" },
  { key: "token\nidentity:node\nx", want: "never" },
  { key: "journal\n1", want: "never" },
  { key: "proven\nbearer:x", want: "never" },
  { key: "last-alive", want: "never" },
  { key: "cloud", want: "never" },
])("keptRank() of $key is $want", ({ key, want }) => {
  assert.equal(keptRank(key), want);
});

Deno.test.each<{ resource: string; fieldSelector: string; want: Rank }>([
  { resource: "pods", fieldSelector: "", want: "first" },
  { resource: "pods", fieldSelector: "spec.nodeName=edge-1", want: "first" },
  { resource: "secrets", fieldSelector: "metadata.name=a", want: "last" },
  { resource: "pods", fieldSelector: "metadata.namespace=x,metadata.name==a", want: "last" },
  { resource: "pods", fieldSelector: "metadata.name!=a", want: "first" },
  { resource: "csinodes", fieldSelector: "", want: "last" },
])("scopeRank() of $resource with '$fieldSelector' is $want", ({ want, ...scope }) => {
  assert.equal(scopeRank(scope), want);
});
