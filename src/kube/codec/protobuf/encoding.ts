import type { Encoding } from "../encoding.ts";
import { PROTOBUF_TYPE } from "../../content_type.ts";
import { INITIAL_EVENTS_END } from "../../watch_event.ts";
import { ENVELOPE_END, parseEnvelope } from "./envelope.ts";
import { formatListItem, formatListOpening, ProtobufListSplitter } from "./list.ts";
import {
  formatBookmarkObject,
  readObjectMeta,
  stampResourceVersion,
  toListBody,
  toPartialMetadata,
  toTypedBody,
} from "./object.ts";
import { createSelectorView } from "./selectable.ts";
import { formatStatus, readStatus } from "./status.ts";
import { formatFrame, parseWatchEvent, ProtobufFrameSplitter } from "./watch.ts";

/** `application/vnd.kubernetes.protobuf`: what Go clients prefer for built-in kinds. */
export const PROTOBUF_ENCODING: Encoding = {
  name: "protobuf",
  contentType: PROTOBUF_TYPE,
  watchContentType: `${PROTOBUF_TYPE};stream=watch`,
  createListSplitter: () => new ProtobufListSplitter(),
  createFrameSplitter: () => new ProtobufFrameSplitter(),
  parseWatchEvent,
  readMeta: readObjectMeta,
  readType: (object) => parseEnvelope(object).type,
  readStatus,
  toListBody,
  toTypedBody,
  toPartialMetadata,
  stampResourceVersion,
  createSelectorView,
  sizedLists: true,
  formatListOpening,
  formatListItem: (body) => formatListItem(body),
  listClosing: ENVELOPE_END,
  formatFrame,
  formatBookmark: (type, resourceVersion, initialEventsEnd = false) =>
    formatFrame(
      "BOOKMARK",
      formatBookmarkObject(
        type,
        resourceVersion,
        initialEventsEnd ? { [INITIAL_EVENTS_END]: "true" } : {},
      ),
    ),
  formatStatus,
};
