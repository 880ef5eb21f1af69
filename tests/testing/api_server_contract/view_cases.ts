import assert from "node:assert/strict";
import { type ContractCase, type Json, rvOf, type Scratch } from "./scratch.ts";
import { shortForm } from "./watch_reader.ts";

const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";
const METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
const METADATA_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";

/** Table, PartialObjectMetadata, and what Accept says. */
export const VIEW_CASES: ContractCase[] = [
  {
    name: "LIST as Table has columns, and a row with metadata per object",
    async run(scratch) {
      const created = await scratch.createSecret("a");
      const table = await scratch.get(scratch.secrets(), 200, {
        accept: `${TABLE},application/json`,
      });
      assert.deepEqual([table.kind, table.apiVersion], ["Table", "meta.k8s.io/v1"]);
      assert.ok(rvOf(table) >= rvOf(created));
      const [name] = table.columnDefinitions;
      assert.deepEqual([name.name, name.type, name.format, name.priority], [
        "Name",
        "string",
        "name",
        0,
      ]);
      const [row] = table.rows;
      assert.equal(row.cells.length, table.columnDefinitions.length);
      assert.equal(row.cells[0], "a");
      assert.match(row.cells.at(-1), /^\d+s$/);
      assert.deepEqual([row.object.kind, row.object.apiVersion], [
        "PartialObjectMetadata",
        "meta.k8s.io/v1",
      ]);
      assert.deepEqual(row.object.metadata, created.metadata);
    },
  },
  {
    name: "LIST as Table includes as much of the object as includeObject says",
    async run(scratch) {
      await scratch.createSecret("a");
      const rowWith = async (include: string) => {
        const path = scratch.secrets(`?includeObject=${include}`);
        return (await scratch.get(path, 200, { accept: TABLE })).rows[0];
      };
      assert.equal((await rowWith("None")).object, null);
      assert.equal((await rowWith("Object")).object.kind, "Secret");
      assert.equal((await rowWith("Metadata")).object.kind, "PartialObjectMetadata");
    },
  },
  {
    name: "GET as Table is a Table of one row",
    async run(scratch) {
      await scratch.createSecret("a");
      const table = await scratch.get(scratch.secrets("a"), 200, { accept: TABLE });
      assert.deepEqual([table.kind, table.rows.length], ["Table", 1]);
    },
  },
  {
    name: "LIST and GET as PartialObjectMetadata have nothing but metadata",
    async run(scratch) {
      const { metadata } = await scratch.createSecret("a");
      const wanted = { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata };
      const list = await scratch.get(scratch.secrets(), 200, { accept: METADATA_LIST });
      assert.deepEqual([list.kind, list.apiVersion], [
        "PartialObjectMetadataList",
        "meta.k8s.io/v1",
      ]);
      assert.deepEqual(list.items, [wanted]);
      assert.deepEqual(await scratch.get(scratch.secrets("a"), 200, { accept: METADATA }), wanted);
    },
  },
  {
    name: "WATCH as PartialObjectMetadata has nothing but metadata",
    async run(scratch) {
      const { metadata } = await scratch.createSecret("a");
      await using watch = await scratch.watch("", METADATA);
      const [frame] = await watch.take(1);
      assert.deepEqual(frame, {
        type: "ADDED",
        object: { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata },
      });
    },
  },
  {
    name: "WATCH as Table defines the columns in the first frame only",
    async run(scratch) {
      await scratch.createSecrets("a", "b");
      await using watch = await scratch.watch("", TABLE);
      const [first, second] = await watch.take(2);
      assert.ok(first!.object.columnDefinitions.length > 0);
      assert.equal(second!.object.columnDefinitions, null);
      const names = [first!, second!].map(({ type, object }) =>
        `${type} ${object.rows[0].cells[0]}`
      );
      assert.deepEqual(names, ["ADDED a", "ADDED b"]);
    },
  },
  {
    name: "WATCH of initial events as Table ends them with an annotated bookmark row",
    async run(scratch) {
      await scratch.createSecret("a");
      const query =
        "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
      await using watch = await scratch.watch(query, TABLE);
      const [, bookmark] = await watch.take(2);
      assert.equal(shortForm(bookmark!), "BOOKMARK");
      const { metadata, rows: [row] } = bookmark!.object;
      assert.equal(row.object.metadata.resourceVersion, metadata.resourceVersion);
      assert.equal(row.object.metadata.annotations["k8s.io/initial-events-end"], "true");
    },
  },
  {
    name: "the first acceptable clause of Accept is taken",
    async run(scratch) {
      await scratch.createSecret("a");
      const kindFor = async (accept: string) =>
        (await scratch.get(scratch.secrets(), 200, { accept })).kind;
      assert.equal(await kindFor("image/png, application/json"), "SecretList");
      assert.equal(await kindFor("*/*"), "SecretList");
      assert.equal(await kindFor(`application/json;q=0.5, ${TABLE}`), "Table");
      assert.equal(
        await kindFor("application/json;as=Table;v=v9;g=meta.k8s.io,application/json"),
        "SecretList",
      );
    },
  },
  ...([
    ["nothing that is there", "image/png", ""],
    ["a list as PartialObjectMetadata", METADATA, ""],
    ["one object as PartialObjectMetadataList", METADATA_LIST, "a"],
  ] as const).map(([what, accept, name]) => ({
    name: `406 for who accepts only ${what}`,
    async run(scratch: Scratch) {
      await scratch.createSecret("a");
      const status: Json = await scratch.get(scratch.secrets(name), 406, { accept });
      assert.deepEqual([status.kind, status.reason], ["Status", "NotAcceptable"]);
    },
  })),
];
