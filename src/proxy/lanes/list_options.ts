import type { StatusOptions } from "../../kube/status.ts";
import { isTrue } from "../../kube/request_info.ts";

/** What a LIST or a WATCH asks for, as kube-apiserver reads it. */
export interface ReadOptions {
  /** Empty, "0" or a decimal number without leading zeros. */
  resourceVersion: string;
  match: "" | "Exact" | "NotOlderThan";
  /** Objects per page; 0 for all. */
  limit: number;
  /** Token of the next page; empty on the first one. */
  continue: string;
  /** Whether a watch begins with the objects that are there; undefined when it was not said. */
  sendInitialEvents: boolean | undefined;
  bookmarks: boolean;
  /** undefined: as long as the server likes. */
  timeoutMs: number | undefined;
}

/** Options that a kube-apiserver takes, or what it says to them. */
export type ParsedOptions = { options: ReadOptions } | { refusal: StatusOptions };

const INTEGER = /^[+-]?\d+$/;
const MAX_VERSION = 2n ** 64n - 1n;

/**
 * Reads the options of a list or a watch (`ValidateListOptions` of apimachinery, and the parsing before and
 * behind it). The words of a refusal are those of kube-apiserver 1.35; while the link is up, the cloud says
 * them itself.
 */
export function parseReadOptions(verb: "list" | "watch", query: URLSearchParams): ParsedOptions {
  for (const name of ["timeoutSeconds", "limit"]) {
    const text = query.get(name);
    if (text !== null && !INTEGER.test(text)) {
      const message = `strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`;
      return { refusal: { code: 400, reason: "BadRequest", message } };
    }
  }
  const causes = verb === "watch" ? watchFaults(query) : listFaults(query);
  if (causes.length > 0) return { refusal: invalidOptions(causes) };

  const version = query.get("resourceVersion") ?? "";
  const fault = version === "" ? undefined : versionFault(version);
  if (fault !== undefined) {
    const message = `resourceVersion: Invalid value: ${JSON.stringify(version)}: ${fault}`;
    return verb === "watch" ? { refusal: { code: 500, message } } : {
      refusal: {
        code: 400,
        reason: "BadRequest",
        message: `invalid resource version: ${message}`,
      },
    };
  }
  const token = query.get("continue") ?? "";
  const resourceVersion = version === "" ? "" : String(BigInt(version));
  if (verb === "list" && token !== "" && resourceVersion !== "" && resourceVersion !== "0") {
    const message = "specifying resource version is not allowed when using continue";
    return { refusal: { code: 400, reason: "BadRequest", message } };
  }
  const limit = Number(query.get("limit") ?? 0);
  const timeoutSeconds = Number(query.get("timeoutSeconds") ?? 0);
  return {
    options: {
      resourceVersion,
      match: (query.get("resourceVersionMatch") ?? "") as ReadOptions["match"],
      limit: limit > 0 ? limit : 0,
      continue: token,
      sendInitialEvents: query.has("sendInitialEvents")
        ? isTrue(query.get("sendInitialEvents"))
        : undefined,
      bookmarks: isTrue(query.get("allowWatchBookmarks")),
      timeoutMs: timeoutSeconds === 0 ? undefined : timeoutSeconds * 1_000,
    },
  };
}

/** One fault of one field (`field.Error` of apimachinery). */
interface Fault {
  field: string;
  reason: "FieldValueForbidden" | "FieldValueNotSupported";
  message: string;
}

const forbidden = (field: string, why: string): Fault => ({
  field,
  reason: "FieldValueForbidden",
  message: `Forbidden: ${why}`,
});

const notSupported = (value: string, values: readonly string[]): Fault => ({
  field: "resourceVersionMatch",
  reason: "FieldValueNotSupported",
  message: `Unsupported value: ${JSON.stringify(value)}: supported values: ${
    values.map((each) => JSON.stringify(each)).join(", ")
  }`,
});

function listFaults(query: URLSearchParams): Fault[] {
  const match = query.get("resourceVersionMatch") ?? "";
  const version = query.get("resourceVersion") ?? "";
  const faults: Fault[] = [];
  const forbid = (when: boolean, why: string) =>
    when && faults.push(forbidden("resourceVersionMatch", `resourceVersionMatch ${why}`));
  if (match !== "") {
    forbid(version === "", "is forbidden unless resourceVersion is provided");
    forbid((query.get("continue") ?? "") !== "", "is forbidden when continue is provided");
    if (match !== "Exact" && match !== "NotOlderThan") {
      faults.push(notSupported(match, ["Exact", "NotOlderThan", ""]));
    }
    forbid(
      match === "Exact" && version === "0",
      '"exact" is forbidden for resourceVersion "0"',
    );
  }
  if (query.has("sendInitialEvents")) {
    faults.push(forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
  }
  return faults;
}

function watchFaults(query: URLSearchParams): Fault[] {
  const version = query.get("resourceVersion") ?? "";
  const asked = query.has("sendInitialEvents");
  let match = query.get("resourceVersionMatch") ?? "";
  // SetListOptionsDefaults: a watch from the start is one with initial events.
  const legacy = !asked && match === "" && (version === "" || version === "0");
  if (legacy) match = "NotOlderThan";
  const faults: Fault[] = [];
  const forbid = (when: boolean, why: string) =>
    when && faults.push(forbidden("resourceVersionMatch", why));
  forbid(
    asked && match !== "NotOlderThan",
    "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
  );
  if (match !== "") {
    forbid(
      !asked && !legacy,
      "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
    );
    if (match !== "NotOlderThan") faults.push(notSupported(match, ["NotOlderThan"]));
    forbid(
      (query.get("continue") ?? "") !== "",
      "resourceVersionMatch is forbidden when continue is provided",
    );
  }
  return faults;
}

function invalidOptions(faults: readonly Fault[]): StatusOptions {
  const [first, ...more] = faults.map(({ field, message }) => `${field}: ${message}`);
  const all = more.length === 0 ? first : `[${[first, ...more].join(", ")}]`;
  return {
    code: 422,
    reason: "Invalid",
    message: `ListOptions.meta.k8s.io "" is invalid: ${all}`,
    details: {
      group: "meta.k8s.io",
      kind: "ListOptions",
      causes: faults.map(({ reason, message, field }) => ({ reason, message, field })),
    },
  };
}

/** What Go's `strconv.ParseUint` says to a text that is no uint64. */
function versionFault(text: string): string | undefined {
  const parsing = `strconv.ParseUint: parsing ${JSON.stringify(text)}`;
  if (!/^\d+$/.test(text)) return `${parsing}: invalid syntax`;
  return BigInt(text) > MAX_VERSION ? `${parsing}: value out of range` : undefined;
}
