import type { Encoding, SelectorView } from "./encoding.ts";
import { formatJson, parseJson } from "./json.ts";
import { formatListOpening, JsonListSplitter, LIST_CLOSING } from "./list.ts";
import { JSON_TYPE } from "../content_type.ts";
import { readObjectMeta, toListBody, toTypedBody } from "../object_meta.ts";
import { statusObject } from "../status.ts";
import {
  formatBookmark,
  formatFrame,
  JsonFrameSplitter,
  parseWatchEvent,
  stampResourceVersion,
} from "../watch_event.ts";

const COMMA: Uint8Array = new TextEncoder().encode(",");

/** `application/json`: what every client and every resource can. */
export const JSON_ENCODING: Encoding = {
  name: "json",
  contentType: JSON_TYPE,
  watchContentType: JSON_TYPE,
  createListSplitter: () => new JsonListSplitter(),
  createFrameSplitter: () => new JsonFrameSplitter(),
  parseWatchEvent,
  readMeta: readObjectMeta,
  readStatus: (object) => parseJson(object) as { code?: number; message?: string },
  toListBody,
  toTypedBody,
  stampResourceVersion,
  createSelectorView: (_gvr, fields, metadataOnly) => {
    if (metadataOnly && fields.some((field) => !field.startsWith("metadata."))) return undefined;
    return viewOf;
  },
  sizedLists: false,
  formatListOpening: (head, _itemsBytes, remaining) => formatListOpening(head, remaining),
  formatListItem: (body, first) => first ? [body] : [COMMA, body],
  listClosing: LIST_CLOSING,
  formatFrame,
  formatBookmark,
  formatStatus: (status) => formatJson(statusObject(status)),
};

function viewOf(body: Uint8Array): SelectorView {
  const object = parseJson(body);
  return {
    labels: Object.assign(Object.create(null), fieldOf(object, "metadata.labels")),
    field: (path) => String(fieldOf(object, path) ?? ""),
  };
}

/** The value at a dotted path. What a field selector can name is such a path, and "" where it is absent. */
function fieldOf(object: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>(
    (value, name) => (value as Record<string, unknown> | undefined)?.[name],
    object,
  );
}
