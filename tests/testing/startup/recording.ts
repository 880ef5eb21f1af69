import kubelet from "../../fixtures/kubelet_startup.json" with { type: "json" };
import kubeProxy from "../../fixtures/kube_proxy_startup.json" with { type: "json" };

/** A request, as it is kept. */
export interface RecordedRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly accept: string;
  readonly contentType?: string;
  /** A JSON body as its text. */
  readonly text?: string;
  /** A protobuf body. */
  readonly base64?: string;
  /** What the kube-apiserver answered then. */
  readonly status: number;
  readonly answerType: string;
}

/** The starts of a program, by their names; from `deno task record:startup`. */
export interface Recording<Name extends string = string> {
  readonly recordedWith: string;
  readonly userAgent: string;
  readonly starts: Readonly<Record<Name, readonly RecordedRequest[]>>;
}

/** The first start of a kubelet ever, and one on a node that has a pod (`web` in `default`). */
export type KubeletRecording = Recording<"a new node" | "a restart with a pod">;

/** The start of a kube-proxy whose node is there. */
export type KubeProxyRecording = Recording<"a start">;

/** Stands in all bodies for the pod's uid, which is as long. */
export const POD_UID = "00000000-0000-4000-8000-000000000001";

/** What the kubelet asked. */
export const KUBELET_STARTUP: KubeletRecording = kubelet;

/** What kube-proxy asked. */
export const KUBE_PROXY_STARTUP: KubeProxyRecording = kubeProxy;

/** The body of a request, for the pod of that uid. */
export function bodyOf(
  { text, base64 }: RecordedRequest,
  podUid: string,
): Uint8Array<ArrayBuffer> | undefined {
  // Byte by byte, as protobuf is no text.
  const binary = base64 !== undefined
    ? atob(base64)
    : text !== undefined
    ? latin1Of(new TextEncoder().encode(text))
    : undefined;
  if (binary === undefined) return undefined;
  return Uint8Array.from(binary.replaceAll(POD_UID, podUid), (char) => char.charCodeAt(0));
}

/** Bytes as a string of as many characters. */
export function latin1Of(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}
