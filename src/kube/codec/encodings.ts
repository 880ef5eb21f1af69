import { mediaTypeOf } from "../content_type.ts";
import type { Encoding, EncodingName } from "./encoding.ts";
import { JSON_ENCODING } from "./json_encoding.ts";
import { PROTOBUF_ENCODING } from "./protobuf/encoding.ts";

/** Every encoding that the agent reads. */
export const ENCODINGS: Readonly<Record<EncodingName, Encoding>> = {
  json: JSON_ENCODING,
  protobuf: PROTOBUF_ENCODING,
};

/** The encoding of a body by its `Content-Type`; undefined when it is none that the agent reads. */
export function encodingOf(contentType: string | null): Encoding | undefined {
  const type = mediaTypeOf(contentType);
  return Object.values(ENCODINGS).find((encoding) => encoding.contentType === type);
}

/** The encoding that a media range asks for; who takes anything is sent JSON, as by kube-apiserver. */
export function encodingOfRange(type: string): Encoding | undefined {
  if (type === "*/*" || type === "application/*") return JSON_ENCODING;
  return Object.values(ENCODINGS).find(({ contentType }) => contentType === type);
}
