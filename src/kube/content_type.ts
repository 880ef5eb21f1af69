/** Media types by which Kubernetes names its encodings and patches. */

export const JSON_TYPE = "application/json";
export const PROTOBUF_TYPE = "application/vnd.kubernetes.protobuf";
export const STRATEGIC_MERGE_PATCH_TYPE = "application/strategic-merge-patch+json";
export const MERGE_PATCH_TYPE = "application/merge-patch+json";

/** `Application/JSON; charset=utf-8` as `application/json`; empty for no header. */
export function mediaTypeOf(header: string | null): string {
  return (header ?? "").split(";")[0]!.trim().toLowerCase();
}
