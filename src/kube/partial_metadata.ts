import { concatBytes, scanObject } from "./codec/json.ts";

/** What a list of metadata calls itself (`metav1.PartialObjectMetadataList`). */
export const PARTIAL_METADATA_LIST = {
  kind: "PartialObjectMetadataList",
  apiVersion: "meta.k8s.io/v1",
} as const;

/** What one object's metadata calls itself. */
export const PARTIAL_METADATA = {
  kind: "PartialObjectMetadata",
  apiVersion: PARTIAL_METADATA_LIST.apiVersion,
} as const;

const encoder = new TextEncoder();
const OPENING = encoder.encode(
  `{"kind":"${PARTIAL_METADATA.kind}","apiVersion":"${PARTIAL_METADATA.apiVersion}","metadata":`,
);
const CLOSING = encoder.encode("}");

/** An object's metadata alone, as the kube-apiserver cuts it out. @throws {SyntaxError} */
export function toPartialMetadata(body: Uint8Array): Uint8Array {
  const metadata = scanObject(body).get("metadata");
  if (metadata === undefined) throw new SyntaxError("Cannot read an object: it has no metadata");
  return concatBytes([OPENING, body.subarray(...metadata), CLOSING]);
}
