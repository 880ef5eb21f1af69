import assert from "node:assert/strict";
import { acceptedRepresentations, sameShape } from "./representation.ts";

const JSON_TYPE = "application/json";
const PROTOBUF = "application/vnd.kubernetes.protobuf";
const LIST = "as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";

const json = { as: "object", encoding: "json", accept: JSON_TYPE };
const protobuf = { as: "object", encoding: "protobuf", accept: PROTOBUF };
const jsonMetadata = { as: "metadata", encoding: "json", accept: `${JSON_TYPE};${LIST}` };
const protobufMetadata = { as: "metadata", encoding: "protobuf", accept: `${PROTOBUF};${LIST}` };

Deno.test.each([
  { name: "no header", accept: null, want: [json] },
  { name: "anything", accept: "*/*", want: [json] },
  { name: "JSON", accept: JSON_TYPE, want: [json] },
  { name: "a Go client", accept: `${PROTOBUF},${JSON_TYPE}`, want: [protobuf, json] },
  { name: "protobuf alone", accept: PROTOBUF, want: [protobuf] },
  {
    name: "JSON before protobuf",
    accept: `${PROTOBUF};q=0.5,${JSON_TYPE}`,
    want: [json, protobuf],
  },
  { name: "one encoding twice", accept: `${JSON_TYPE},*/*`, want: [json] },
  {
    name: "CBOR first",
    accept: `application/cbor,${PROTOBUF},${JSON_TYPE}`,
    want: [protobuf, json],
  },
  { name: "CBOR alone", accept: "application/cbor", want: [] },
  { name: "YAML alone", accept: "application/yaml", want: [] },
  { name: "a stream", accept: `${JSON_TYPE};stream=watch`, want: [] },
  {
    name: "a metadata informer",
    accept: `${PROTOBUF};${LIST},${JSON_TYPE};${LIST},${JSON_TYPE}`,
    want: [protobufMetadata, jsonMetadata, json],
  },
  { name: "metadata of another version", accept: `${PROTOBUF};${LIST}beta1`, want: [] },
  { name: "another shape", accept: `${JSON_TYPE};as=Something;g=meta.k8s.io;v=v1`, want: [] },
  {
    name: "kubectl",
    accept: `${TABLE},${JSON_TYPE}`,
    want: [{ as: "table", encoding: "json", accept: `${TABLE},${JSON_TYPE}` }, json],
  },
  {
    name: "a Table in protobuf, which nobody writes",
    accept: TABLE.replace("json", "vnd.kubernetes.protobuf"),
    want: [],
  },
])("acceptedRepresentations() of $name", ({ accept, want }) => {
  assert.deepEqual(acceptedRepresentations(accept), want);
});

Deno.test.each([
  { accept: `${PROTOBUF},${JSON_TYPE}`, want: [protobuf, json] },
  { accept: `${PROTOBUF};${LIST},${JSON_TYPE}`, want: [protobufMetadata] },
  {
    accept: `${PROTOBUF};${LIST},${JSON_TYPE};${LIST},${JSON_TYPE}`,
    want: [protobufMetadata, jsonMetadata],
  },
])("sameShape() of $accept is never two shapes", ({ accept, want }) => {
  assert.deepEqual(sameShape(acceptedRepresentations(accept)), want);
});
