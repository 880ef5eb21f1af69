import { isResourceVersion } from "../../kube/resource_version.ts";

const INTEGER = /^[+-]?\d*$/;

/**
 * Whether kube-apiserver accepts the options of a list or a watch (ValidateListOptions of apimachinery).
 * What it refuses must be refused by the cloud itself, in its own words.
 */
export function areValidOptions(verb: "list" | "watch", query: URLSearchParams): boolean {
  const resourceVersion = query.get("resourceVersion") ?? "";
  const match = query.get("resourceVersionMatch") ?? "";
  const sendInitialEvents = (query.get("sendInitialEvents") ?? "") !== "";
  const hasVersion = resourceVersion === "0" || isResourceVersion(resourceVersion);
  if (resourceVersion !== "" && !hasVersion) return false;
  if (!["limit", "timeoutSeconds"].every((name) => INTEGER.test(query.get(name) ?? ""))) {
    return false;
  }
  if (verb === "watch") return match === (sendInitialEvents ? "NotOlderThan" : "");
  if (sendInitialEvents) return false;
  switch (match) {
    case "":
      return true;
    case "NotOlderThan":
      return hasVersion;
    case "Exact":
      return hasVersion && resourceVersion !== "0";
    default:
      return false;
  }
}
