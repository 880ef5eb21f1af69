import type { FakeResource } from "./fake_resources.ts";

/** The body of every answer of a kube-apiserver that is not an object: metav1 `Status`. */
export interface Status {
  kind: "Status";
  apiVersion: "v1";
  metadata: { continue?: string };
  status: "Failure" | "Success";
  message?: string;
  reason?: string;
  details?: {
    name?: string;
    group?: string;
    kind?: string;
    uid?: string;
    causes?: { reason: string; message: string; field?: string }[];
    retryAfterSeconds?: number;
  };
  code: number;
}

/** Thrown by the fake's handlers; becomes an answer with that Status. */
export class StatusError extends Error {
  readonly status: Status;

  constructor(status: Status) {
    super(status.message);
    this.name = "StatusError";
    this.status = status;
  }
}

/** A failure as apimachinery's `errors` package builds it. */
export function failure(
  code: number,
  reason: string,
  message: string,
  details?: Status["details"],
): StatusError {
  return new StatusError({
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message,
    reason,
    ...(details && { details }),
    code,
  });
}

/** `pods "x" not found`. */
export function notFound(resource: FakeResource, name: string): StatusError {
  return failure(
    404,
    "NotFound",
    `${qualified(resource)} "${name}" not found`,
    about(resource, name),
  );
}

/** `pods "x" already exists`. */
export function alreadyExists(resource: FakeResource, name: string): StatusError {
  const message = `${qualified(resource)} "${name}" already exists`;
  return failure(409, "AlreadyExists", message, about(resource, name));
}

/** The optimistic lock failed. */
export function conflict(resource: FakeResource, name: string, why: string): StatusError {
  const message = `Operation cannot be fulfilled on ${qualified(resource)} "${name}": ${why}`;
  return failure(409, "Conflict", message, about(resource, name));
}

/** The position asked for is no longer known: the client has to list again. */
export function expired(message: string): StatusError {
  return failure(410, "Expired", message);
}

/** The resourceVersion asked for lies in the future and did not come to pass in time. */
export function tooLarge(asked: number, current: number): StatusError {
  const message = `Timeout: Too large resource version: ${asked}, current: ${current}`;
  return failure(504, "Timeout", message, {
    causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
    retryAfterSeconds: 1,
  });
}

/** The group is served, but not that version or resource of it. */
export function noSuchResource(): StatusError {
  return failure(404, "NotFound", "the server could not find the requested resource", {});
}

/** The request makes no sense. */
export function badRequest(message: string): StatusError {
  return failure(400, "BadRequest", message);
}

/** ListOptions that contradict each other. */
export function invalidOptions(field: string, message: string): StatusError {
  const text = `ListOptions.meta.k8s.io "" is invalid: ${field}: ${message}`;
  return failure(422, "Invalid", text, {
    group: "meta.k8s.io",
    kind: "ListOptions",
    causes: [{ reason: "FieldValueForbidden", message, field }],
  });
}

/** None of the representations in `Accept` is available. */
export function notAcceptable(message?: string): StatusError {
  const types = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
  const text = message ?? `only the following media types are accepted: ${types}`;
  return failure(406, "NotAcceptable", text);
}

/** `Status` as an HTTP answer. */
export function statusResponse({ status }: StatusError): Response {
  const retryAfter = status.details?.retryAfterSeconds;
  return new Response(`${JSON.stringify(status)}\n`, {
    status: status.code,
    headers: {
      "cache-control": "no-cache, private",
      "content-type": "application/json",
      ...(retryAfter !== undefined && { "retry-after": String(retryAfter) }),
    },
  });
}

function qualified({ group, resource }: FakeResource): string {
  return group === "" ? resource : `${resource}.${group}`;
}

function about({ group, resource }: FakeResource, name: string): Status["details"] {
  return { name, ...(group !== "" && { group }), kind: resource };
}
