import { parseAccept } from "./accept.ts";
import { encodingOfRange } from "./codec/encodings.ts";
import { JSON_ENCODING } from "./codec/json_encoding.ts";
import { StatusResponse } from "./status.ts";

/**
 * A failure of the agent's own in the encoding that the client likes best, as kube-apiserver does; JSON for who
 * takes neither. Other responses are left as they are.
 */
export function negotiateStatus(response: Response, accept: string | null): Response {
  if (!(response instanceof StatusResponse)) return response;
  // A Status has one shape, whatever a range says behind its type.
  const [encoding] = parseAccept(accept).flatMap(({ type }) => encodingOfRange(type) ?? []);
  if (encoding === undefined || encoding === JSON_ENCODING) return response;
  const headers = new Headers(response.headers);
  headers.set("content-type", encoding.contentType);
  const body = encoding.formatStatus(response.options) as Uint8Array<ArrayBuffer>;
  return new Response(body, { status: response.status, headers });
}
