/** `metav1.Status` bodies: how a Kubernetes API says no. */

/** Reasons of `k8s.io/apimachinery/pkg/apis/meta/v1/types.go` that the agent uses. */
export type StatusReason =
  | "BadRequest"
  | "Forbidden"
  | "NotFound"
  | "Invalid"
  | "Expired"
  | "Timeout"
  | "ServiceUnavailable"
  | "NotAcceptable"
  | "RequestEntityTooLarge"
  | "TooManyRequests"
  | "NotImplemented"
  | "InternalError";

/** What a Status tells. */
export interface StatusOptions {
  code: number;
  /** Some of kube-apiserver's own refusals have none. */
  reason?: StatusReason;
  message: string;
  details?: {
    name?: string;
    group?: string;
    kind?: string;
    causes?: { reason: string; message: string; field?: string }[];
    retryAfterSeconds?: number;
  };
  /** Token by which a list that expired may go on. */
  continue?: string;
}

/** The JSON object of a failure `Status`. */
export function statusObject(options: StatusOptions): Record<string, unknown> {
  const { code, reason, message, details, continue: token } = options;
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: { ...(token !== undefined && { continue: token }) },
    status: "Failure",
    message,
    ...(reason && { reason }),
    ...(details && { details }),
    code,
  };
}

/** A failure of the agent's own as an HTTP response, in JSON; it remembers what it says. */
export class StatusResponse extends Response {
  readonly options: StatusOptions;

  constructor(options: StatusOptions) {
    super(JSON.stringify(statusObject(options)) + "\n", {
      status: options.code,
      headers: { "content-type": "application/json", "cache-control": "no-cache, private" },
    });
    this.options = options;
  }
}

/**
 * A failure as an HTTP response. Never with `Retry-After`: client-go would sleep and try ten times, which
 * blocks the kubelet's status manager.
 */
export function statusResponse(options: StatusOptions): StatusResponse {
  return new StatusResponse(options);
}

/** 410 `Expired`: the client must list again. */
export function expiredStatus(message: string): StatusOptions {
  return { code: 410, reason: "Expired", message };
}

/**
 * 504 `Timeout` with the cause by which client-go knows a resourceVersion from the future. (The body of the
 * kube-apiserver's answer; its `Retry-After` header is left out as always.)
 */
export function tooLargeResourceVersion(wanted: string, current: string): StatusOptions {
  return {
    code: 504,
    reason: "Timeout",
    message: `Timeout: Too large resource version: ${wanted}, current: ${current}`,
    details: {
      causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
      retryAfterSeconds: 1,
    },
  };
}
