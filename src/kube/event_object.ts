import { parseJson } from "./codec/json.ts";
import { type MessageTable, readProtobufObject } from "./codec/protobuf/message.ts";
import { JSON_TYPE, mediaTypeOf, PROTOBUF_TYPE } from "./content_type.ts";

/** An Event of core/v1 or events.k8s.io/v1 as JSON: what the agent reads of it. */
export interface EventObject {
  kind?: unknown;
  apiVersion?: unknown;
  metadata: Record<string, unknown>;
  [field: string]: unknown;
}

/** Field numbers of `k8s.io/apimachinery/pkg/apis/meta/v1/generated.proto`, without managedFields. */
const OBJECT_META: MessageTable = {
  1: ["name", "string"],
  2: ["generateName", "string"],
  3: ["namespace", "string"],
  5: ["uid", "string"],
  6: ["resourceVersion", "string"],
  8: ["creationTimestamp", "time"],
  11: ["labels", "map"],
  12: ["annotations", "map"],
  13: ["ownerReferences", [{
    1: ["kind", "string"],
    3: ["name", "string"],
    4: ["uid", "string"],
    5: ["apiVersion", "string"],
    6: ["controller", "bool"],
    7: ["blockOwnerDeletion", "bool"],
  }]],
  14: ["finalizers", ["string"]],
};

const OBJECT_REFERENCE: MessageTable = {
  1: ["kind", "string"],
  2: ["namespace", "string"],
  3: ["name", "string"],
  4: ["uid", "string"],
  5: ["apiVersion", "string"],
  6: ["resourceVersion", "string"],
  7: ["fieldPath", "string"],
};

const SOURCE: MessageTable = { 1: ["component", "string"], 2: ["host", "string"] };
const SERIES: MessageTable = { 1: ["count", "int"], 2: ["lastObservedTime", "micro-time"] };

/** `k8s.io/api/core/v1/generated.proto` */
const CORE_EVENT: MessageTable = {
  1: ["metadata", OBJECT_META],
  2: ["involvedObject", OBJECT_REFERENCE],
  3: ["reason", "string"],
  4: ["message", "string"],
  5: ["source", SOURCE],
  6: ["firstTimestamp", "time"],
  7: ["lastTimestamp", "time"],
  8: ["count", "int"],
  9: ["type", "string"],
  10: ["eventTime", "micro-time"],
  11: ["series", SERIES],
  12: ["action", "string"],
  13: ["related", OBJECT_REFERENCE],
  14: ["reportingComponent", "string"],
  15: ["reportingInstance", "string"],
};

/** `k8s.io/api/events/v1/generated.proto` */
const GROUP_EVENT: MessageTable = {
  1: ["metadata", OBJECT_META],
  2: ["eventTime", "micro-time"],
  3: ["series", SERIES],
  4: ["reportingController", "string"],
  5: ["reportingInstance", "string"],
  6: ["action", "string"],
  7: ["reason", "string"],
  8: ["regarding", OBJECT_REFERENCE],
  9: ["related", OBJECT_REFERENCE],
  10: ["note", "string"],
  11: ["type", "string"],
  12: ["deprecatedSource", SOURCE],
  13: ["deprecatedFirstTimestamp", "time"],
  14: ["deprecatedLastTimestamp", "time"],
  15: ["deprecatedCount", "int"],
};

/**
 * Reads an Event in JSON or protobuf.
 *
 * @param group of the API by which it came: empty or `events.k8s.io`
 * @throws {SyntaxError} when it is neither, or has no metadata
 */
export function readEvent(
  body: Uint8Array,
  contentType: string | null,
  group: string,
): EventObject {
  const event = decode(body, mediaTypeOf(contentType), group);
  if (!isObject(event) || !isObject(event.metadata)) {
    throw new SyntaxError("Cannot read an Event: it has no metadata");
  }
  if (event.kind !== undefined && event.kind !== "Event") {
    throw new SyntaxError(`Cannot read an Event: it is a ${event.kind}`);
  }
  return event as EventObject;
}

function decode(body: Uint8Array, type: string, group: string): unknown {
  switch (type) {
    case "":
    case JSON_TYPE:
      return parseJson(body);
    case PROTOBUF_TYPE:
      return readProtobufObject(body, group === "" ? CORE_EVENT : GROUP_EVENT);
    default:
      throw new SyntaxError(`Cannot read an Event: its content type is ${type}`);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
