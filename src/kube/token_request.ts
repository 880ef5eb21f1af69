import { parseJson } from "./codec/json.ts";
import { type MessageTable, readProtobufObject } from "./codec/protobuf/message.ts";
import { JSON_TYPE, mediaTypeOf, PROTOBUF_TYPE } from "./content_type.ts";

/** Field numbers of `k8s.io/api/authentication/v1/generated.proto`. */
const TOKEN_REQUEST: MessageTable = {
  // The account's UID, if only that very account will do.
  1: ["metadata", { 5: ["uid", "string"] }],
  2: ["spec", {
    1: ["audiences", ["string"]],
    3: ["boundObjectRef", {
      1: ["kind", "string"],
      2: ["apiVersion", "string"],
      3: ["name", "string"],
      4: ["uid", "string"],
    }],
    4: ["expirationSeconds", "int"],
  }],
};

/** The parts of a TokenRequest that say for what the token is. */
interface TokenRequest {
  metadata?: { uid?: unknown };
  spec?: {
    audiences?: unknown;
    expirationSeconds?: unknown;
    boundObjectRef?: { kind?: unknown; apiVersion?: unknown; name?: unknown; uid?: unknown };
  };
}

/**
 * What a token is asked for, as one text: requests with the same text may be given the same token.
 *
 * @throws {SyntaxError} when the body is no TokenRequest in JSON or protobuf
 */
export function describeTokenRequest(body: Uint8Array, contentType: string | null): string {
  const { metadata, spec } = readTokenRequest(body, mediaTypeOf(contentType));
  const audiences = Array.isArray(spec?.audiences) ? spec.audiences.map(String).sort() : [];
  const { kind, apiVersion, name, uid } = spec?.boundObjectRef ?? {};
  return JSON.stringify([
    audiences,
    Number(spec?.expirationSeconds ?? 0),
    [kind, apiVersion, name, uid, metadata?.uid].map((part) => String(part ?? "")),
  ]);
}

function readTokenRequest(body: Uint8Array, type: string): TokenRequest {
  if (type === PROTOBUF_TYPE) return readProtobufObject(body, TOKEN_REQUEST);
  // client-go and curl alike may leave the header out: kube-apiserver then takes it for JSON.
  if (type !== JSON_TYPE && type !== "") {
    throw new SyntaxError(`Cannot read a TokenRequest: its content type is ${type}`);
  }
  const request = parseJson(body);
  if (typeof request !== "object" || request === null || Array.isArray(request)) {
    throw new SyntaxError("Cannot read a TokenRequest: it is no JSON object");
  }
  return request;
}
