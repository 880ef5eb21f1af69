import assert from "node:assert/strict";
import { utf8 } from "../../../tests/testing/arbitraries.ts";
import {
  type CloudFacts,
  judge,
  type KnownCloud,
  learn,
  readFacts,
  type Verdict,
} from "./cloud_facts.ts";

const known = (fields: Partial<KnownCloud> = {}): KnownCloud => ({
  namespaceUid: "ns",
  serviceUid: "svc",
  resourceVersion: "100",
  forgottenTo: "",
  ...fields,
});

Deno.test.each<{
  name: string;
  known: KnownCloud | undefined;
  found: CloudFacts;
  highest?: string;
  want: Verdict;
}>([
  {
    name: "nothing known",
    known: undefined,
    found: { resourceVersion: "5" },
    highest: "",
    want: "first",
  },
  {
    name: "nothing known but older objects",
    known: undefined,
    found: { namespaceUid: "ns", resourceVersion: "5" },
    want: "restored",
  },
  {
    name: "the same",
    known: known(),
    found: { namespaceUid: "ns", resourceVersion: "100" },
    want: "same",
  },
  {
    name: "another Namespace",
    known: known(),
    found: { namespaceUid: "other", resourceVersion: "900" },
    want: "replaced",
  },
  {
    name: "another Service, the Namespace not to be read",
    known: known(),
    found: { serviceUid: "other", resourceVersion: "900" },
    want: "replaced",
  },
  {
    name: "another Service in the same Namespace's cluster, where somebody made it anew",
    known: known(),
    found: { namespaceUid: "ns", serviceUid: "other", resourceVersion: "900" },
    want: "same",
  },
  {
    name: "the Service of one who may read the Namespace now",
    known: known({ namespaceUid: undefined }),
    found: { namespaceUid: "ns", serviceUid: "other", resourceVersion: "900" },
    want: "replaced",
  },
  {
    name: "an older version",
    known: known(),
    found: { namespaceUid: "ns", resourceVersion: "99" },
    want: "restored",
  },
  { name: "no answer to compare", known: known(), found: { resourceVersion: "" }, want: "same" },
])("judge() of $name is $want", ({ known, found, highest = "100", want }) => {
  assert.equal(judge(known, found, highest), want);
});

Deno.test("learn() remembers how far the given up history went, and nothing else of another cluster", () => {
  const found = { serviceUid: "new", resourceVersion: "7" };
  assert.deepEqual(learn(known({ forgottenTo: "50" }), found, "replaced", "120"), {
    serviceUid: "new",
    resourceVersion: "7",
    forgottenTo: "120",
  });
  assert.deepEqual(learn(known({ forgottenTo: "500" }), found, "restored", "120"), {
    namespaceUid: "ns",
    serviceUid: "new",
    resourceVersion: "7",
    forgottenTo: "500",
  });
  assert.equal(learn(known(), { resourceVersion: "" }, "same", "100").resourceVersion, "100");
});

Deno.test("readFacts() reads the UID, or that there is none, and the version of the list", () => {
  const list = (items: unknown[]) =>
    utf8(JSON.stringify({ metadata: { resourceVersion: "9" }, items }));
  assert.deepEqual(readFacts("serviceUid", list([{ metadata: { uid: "u" } }])), {
    serviceUid: "u",
    resourceVersion: "9",
  });
  assert.deepEqual(readFacts("namespaceUid", list([])), { resourceVersion: "9" });
  assert.throws(() => readFacts("serviceUid", utf8("{}")), SyntaxError);
  assert.throws(() => readFacts("serviceUid", utf8("<html>")), SyntaxError);
});
