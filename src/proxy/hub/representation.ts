import { type MediaRange, parseAccept } from "../../kube/accept.ts";
import type { EncodingName } from "../../kube/codec/encoding.ts";
import { encodingOfRange } from "../../kube/codec/encodings.ts";

/**
 * A shape and an encoding in which the agent mirrors objects. Tables, which are always JSON, are kept as
 * lists but not watched.
 */
export interface Representation {
  as: "object" | "metadata" | "table";
  encoding: EncodingName;
  /** Media ranges to ask the cloud with. */
  accept: string;
}

/** What makes `as=PartialObjectMetadata` the current version of it; v1beta1 numbers its fields otherwise. */
export const METADATA_PARAMS = "g=meta.k8s.io;v=v1";

/**
 * What a client takes of that which the agent can read, best first; empty when there is nothing (YAML or
 * CBOR alone, for instance).
 */
export function acceptedRepresentations(accept: string | null): Representation[] {
  const found = new Map<string, Representation>();
  for (const range of parseAccept(accept)) {
    const representation = toRepresentation(range);
    if (representation === undefined) continue;
    const { as, encoding } = representation;
    const key = as === "table" ? representation.accept : `${as} ${encoding}`;
    if (!found.has(key)) found.set(key, representation);
  }
  return [...found.values()];
}

/** The same shape as the first in every encoding that is accepted: any of them may be sent. */
export function sameShape(accepted: readonly Representation[]): Representation[] {
  return accepted.filter(({ as, accept }) =>
    as === accepted[0]?.as && (as !== "table" || accept === accepted[0].accept)
  );
}

function toRepresentation({ type, params, text }: MediaRange): Representation | undefined {
  const found = encodingOfRange(type);
  if (found === undefined || "stream" in params) return undefined;
  const { name: encoding, contentType } = found;
  switch (params.as) {
    case undefined:
      return { as: "object", encoding, accept: contentType };
    case "PartialObjectMetadata":
    case "PartialObjectMetadataList":
      if (params.g !== "meta.k8s.io" || params.v !== "v1") return undefined;
      return { as: "metadata", encoding, accept: text };
    case "Table":
      if (encoding !== "json") return undefined;
      return { as: "table", encoding, accept: `${text},application/json` };
    default:
      return undefined;
  }
}
