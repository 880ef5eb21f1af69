import type { Encoding } from "./encoding.ts";
import { formatJson, parseJson } from "./json.ts";
import { formatListOpening, JsonListSplitter, LIST_CLOSING } from "./list.ts";
import { JSON_TYPE } from "../content_type.ts";
import { readObjectMeta, toListBody, toTypedBody } from "../object_meta.ts";
import { toPartialMetadata } from "../partial_metadata.ts";
import { jsonFieldReader, type SelectableField, selectableField } from "../selectable_fields.ts";
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
  readType: (object) => {
    const read = jsonFieldReader(object);
    return { kind: String(read("kind") ?? ""), apiVersion: String(read("apiVersion") ?? "") };
  },
  readStatus: (object) => parseJson(object) as { code?: number; message?: string },
  toListBody,
  toTypedBody,
  toPartialMetadata,
  stampResourceVersion,
  createSelectorView: (gvr, fields, metadataOnly) => {
    const readers = new Map<string, SelectableField>();
    for (const field of fields) {
      const reader = selectableField(gvr, field);
      if (reader === undefined || (metadataOnly && !field.startsWith("metadata."))) {
        return undefined;
      }
      readers.set(field, reader);
    }
    return (body) => {
      const read = jsonFieldReader(body);
      return {
        get labels() {
          return Object.assign(Object.create(null), read("metadata", "labels"));
        },
        field: (path) => readers.get(path)!(read),
      };
    };
  },
  sizedLists: false,
  formatListOpening: (head, _itemsBytes, remaining) => formatListOpening(head, remaining),
  formatListItem: (body, first) => first ? [body] : [COMMA, body],
  listClosing: LIST_CLOSING,
  formatFrame,
  formatBookmark,
  formatStatus: (status) => formatJson(statusObject(status)),
};
