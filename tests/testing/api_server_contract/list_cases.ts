import assert from "node:assert/strict";
import { type ContractCase, namesOf, rvOf, type Scratch } from "./scratch.ts";

const LABELLED: Record<string, Record<string, string>> = {
  none: {},
  blue: { colour: "blue" },
  "blue-big": { colour: "blue", size: "3" },
  red: { colour: "red" },
};

const LABEL_SELECTORS: [string, string[]][] = [
  ["colour=blue", ["blue", "blue-big"]],
  ["colour==blue,size=3", ["blue-big"]],
  ["colour!=blue", ["none", "red"]],
  ["colour in (blue,red)", ["blue", "blue-big", "red"]],
  ["colour in (blue, red),!size", ["blue", "red"]],
  ["colour notin (blue)", ["none", "red"]],
  ["colour", ["blue", "blue-big", "red"]],
  ["!colour", ["none"]],
  ["size>2", ["blue-big"]],
];

const FIELD_SELECTORS: [string, string[]][] = [
  ["metadata.name=red", ["red"]],
  ["metadata.name!=red", ["blue", "blue-big", "none"]],
  ["type=Opaque", ["blue", "blue-big", "none", "red"]],
  ["type=other,metadata.name=red", []],
];

/** LIST: order, resourceVersion, paging, selectors. */
export const LIST_CASES: ContractCase[] = [
  {
    name: "LIST is in the order of names, its items without kind and apiVersion",
    async run(scratch) {
      const [, , last] = await scratch.createSecrets("b", "c", "a");
      const list = await scratch.get(scratch.secrets());
      assert.deepEqual([list.kind, list.apiVersion], ["SecretList", "v1"]);
      assert.deepEqual(namesOf(list), ["a", "b", "c"]);
      assert.ok(rvOf(list) >= rvOf(last!));
      for (const item of list.items) {
        assert.ok(!("kind" in item) && !("apiVersion" in item));
      }
    },
  },
  {
    name: "LIST over all namespaces is in the order of namespace/name",
    async run(scratch) {
      await scratch.createSecrets("b", "a");
      const list = await scratch.get("/api/v1/secrets");
      const keys = list.items.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
      assert.deepEqual(keys, keys.toSorted());
      assert.ok(keys.includes(`${scratch.namespace}/a`));
    },
  },
  {
    name: "LIST of a custom resource carries kind and apiVersion in its items",
    async run(scratch) {
      const { customResource } = scratch.target;
      if (customResource === undefined) return;
      const { apiVersion, kind, resource } = customResource;
      const path = `/apis/${apiVersion}/namespaces/${scratch.namespace}/${resource}`;
      const object = { apiVersion, kind, metadata: { name: "a" }, spec: { size: 1 } };
      await scratch.send("POST", path, object, 201);
      const list = await scratch.get(path);
      assert.deepEqual([list.kind, list.apiVersion], [`${kind}List`, apiVersion]);
      assert.deepEqual(list.items.map((item) => [item.kind, item.apiVersion]), [[
        kind,
        apiVersion,
      ]]);
      assert.equal(list.metadata.continue, "");
    },
  },
  {
    name: "LIST of a namespace that is not there is empty",
    async run(scratch) {
      const list = await scratch.get(`/api/v1/namespaces/${scratch.namespace}-none/secrets`);
      assert.deepEqual(list.items, []);
    },
  },
  {
    name: "LIST not older than a resourceVersion has what happened up to it",
    async run(scratch) {
      const created = await scratch.createSecret("a");
      const rv = rvOf(created);
      for (const match of ["", "&resourceVersionMatch=NotOlderThan"]) {
        const list = await scratch.get(scratch.secrets(`?resourceVersion=${rv}${match}`));
        assert.ok(rvOf(list) >= rv);
        assert.deepEqual(namesOf(list), ["a"]);
      }
    },
  },
  {
    name: "LIST at exactly a resourceVersion shows that moment",
    async run(scratch) {
      const [, b] = await scratch.createSecrets("a", "b");
      await scratch.send("DELETE", scratch.secrets("a"));
      await scratch.createSecret("c");
      const rv = rvOf(b!);
      const list = await scratch.get(
        scratch.secrets(`?resourceVersion=${rv}&resourceVersionMatch=Exact`),
      );
      assert.equal(rvOf(list), rv);
      assert.deepEqual(namesOf(list), ["a", "b"]);
    },
  },
  {
    name: "LIST of a resourceVersion in the future is a 504 with cause ResourceVersionTooLarge",
    async run(scratch) {
      const response = await scratch.target.fetch(scratch.secrets("?resourceVersion=999999999999"));
      assert.equal(response.headers.get("retry-after"), "1");
      const status = await response.json();
      assert.deepEqual([response.status, status.reason], [504, "Timeout"]);
      assert.deepEqual(status.details, {
        causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
        retryAfterSeconds: 1,
      });
    },
  },
  {
    name: "LIST with a limit gives pages of one moment",
    async run(scratch) {
      await scratch.createSecrets("a", "b", "c", "d", "e");
      const first = await scratch.get(scratch.secrets("?limit=2"));
      assert.deepEqual(namesOf(first), ["a", "b"]);
      assert.equal(first.metadata.remainingItemCount, 3);
      await scratch.createSecret("bb");
      await scratch.send("DELETE", scratch.secrets("c"));
      const second = await scratch.get(nextPage(scratch, first.metadata.continue));
      assert.deepEqual(namesOf(second), ["c", "d"]);
      assert.equal(second.metadata.remainingItemCount, 1);
      const third = await scratch.get(nextPage(scratch, second.metadata.continue));
      assert.deepEqual(namesOf(third), ["e"]);
      assert.ok(!third.metadata.continue);
      assert.equal(third.metadata.remainingItemCount, undefined);
      assert.deepEqual([rvOf(second), rvOf(third)], [rvOf(first), rvOf(first)]);
    },
  },
  {
    name: "LIST with a limit and a selector does not count what remains",
    async run(scratch) {
      for (const name of ["a", "b", "c"]) await scratch.createSecret(name, { x: "1" });
      const { metadata } = await scratch.get(scratch.secrets("?limit=2&labelSelector=x%3D1"));
      assert.ok(metadata.continue);
      assert.equal(metadata.remainingItemCount, undefined);
    },
  },
  {
    name: "LIST at resourceVersion 0 ignores the limit",
    async run(scratch) {
      const [, , c] = await scratch.createSecrets("a", "b", "c");
      // Waits until the watch cache has them.
      await scratch.get(scratch.secrets(`?resourceVersion=${rvOf(c!)}`));
      const list = await scratch.get(scratch.secrets("?resourceVersion=0&limit=2"));
      assert.deepEqual(namesOf(list), ["a", "b", "c"]);
      assert.ok(!list.metadata.continue);
    },
  },
  {
    name: "a continue token of forgotten events is a 410 with one that goes on without consistency",
    async run(scratch) {
      const { compact } = scratch.target;
      if (compact === undefined) return;
      await scratch.createSecrets("a", "b", "c");
      const first = await scratch.get(scratch.secrets("?limit=2"));
      await scratch.createSecret("d");
      await compact();
      const status = await scratch.get(nextPage(scratch, first.metadata.continue), 410);
      assert.equal(status.reason, "Expired");
      assert.match(status.message, /^The provided continue parameter is too old/);
      const rest = await scratch.get(nextPage(scratch, status.metadata.continue));
      assert.deepEqual(namesOf(rest), ["c", "d"]);
    },
  },
  ...LABEL_SELECTORS.map(([selector, wanted]) => ({
    name: `LIST with the label selector ${selector}`,
    run: (scratch: Scratch) => expectSelected(scratch, "labelSelector", selector, wanted),
  })),
  ...FIELD_SELECTORS.map(([selector, wanted]) => ({
    name: `LIST with the field selector ${selector}`,
    run: (scratch: Scratch) => expectSelected(scratch, "fieldSelector", selector, wanted),
  })),
  ...([
    [400, "a field selector that is not supported", "fieldSelector=data.k%3D1"],
    [400, "a resourceVersion that is no number", "resourceVersion=abc"],
    [400, "a label selector that is none", "labelSelector=%21%21"],
    [400, "a continue token that is none", "continue=nonsense&limit=1"],
    [422, "a match without a resourceVersion", "resourceVersionMatch=Exact"],
    [422, "an exact match of resourceVersion 0", "resourceVersion=0&resourceVersionMatch=Exact"],
    [422, "an unknown match", "resourceVersion=5&resourceVersionMatch=Roughly"],
    [422, "sendInitialEvents", "sendInitialEvents=true&resourceVersionMatch=NotOlderThan"],
  ] as const).map(([code, what, query]) => ({
    name: `LIST refuses ${what}`,
    async run(scratch: Scratch) {
      const { kind, code: told } = await scratch.get(scratch.secrets(`?${query}`), code);
      assert.deepEqual([kind, told], ["Status", code]);
    },
  })),
];

async function expectSelected(
  scratch: Scratch,
  parameter: string,
  selector: string,
  wanted: string[],
): Promise<void> {
  for (const [name, labels] of Object.entries(LABELLED)) await scratch.createSecret(name, labels);
  const list = await scratch.get(scratch.secrets(`?${parameter}=${encodeURIComponent(selector)}`));
  assert.deepEqual(namesOf(list), wanted);
}

function nextPage(scratch: Scratch, token: string | undefined): string {
  assert.ok(token, "there is no continue token");
  return scratch.secrets(`?limit=2&continue=${encodeURIComponent(token)}`);
}
