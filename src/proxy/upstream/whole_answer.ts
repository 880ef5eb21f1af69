import { type Answer, toAnswer } from "../../kube/answer.ts";
import { scanObject } from "../../kube/codec/json.ts";
import { readProtobufObject } from "../../kube/codec/protobuf/message.ts";
import { JSON_TYPE, mediaTypeOf, PROTOBUF_TYPE } from "../../kube/content_type.ts";
import { UnreachableError } from "./upstream.ts";

/**
 * Reads an answer that is one object to its end. HTTP/2 without a content-length shows some broken bodies
 * as ended ones: only the object itself tells.
 *
 * @throws {UnreachableError} when it broke off
 */
export async function toWholeAnswer(
  response: Response,
  signal: AbortSignal,
  maxBytes: number,
): Promise<Answer> {
  const answer = await toAnswer(response, signal, maxBytes);
  try {
    checkWhole(answer);
    return answer;
  } catch (error) {
    if (error instanceof SyntaxError) throw new UnreachableError(error, { sent: true });
    throw error;
  }
}

function checkWhole({ headers, body }: Answer): void {
  switch (mediaTypeOf(headers["content-type"] ?? null)) {
    case JSON_TYPE:
      scanObject(body);
      break;
    case PROTOBUF_TYPE:
      readProtobufObject(body, {});
      break;
    default:
      // YAML, or words of a webhook: nobody can tell.
  }
}
