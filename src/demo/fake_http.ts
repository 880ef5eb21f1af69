import type { Context } from "hono";
import { badRequest } from "./fake_status.ts";

/** Bodies above this are compressed for clients that take gzip, bytes; as the real one does. */
const GZIP_ABOVE_BYTES = 128 * 1024;

/** Headers of every JSON answer. */
export const JSON_TYPE = {
  "cache-control": "no-cache, private",
  "content-type": "application/json",
};

/** A JSON answer, with the line end that the real one has. */
export function json(c: Context, value: unknown, code: 200 | 201 = 200): Response {
  const text = `${JSON.stringify(value)}\n`;
  const gzip = c.req.header("accept-encoding")?.includes("gzip") && text.length > GZIP_ABOVE_BYTES;
  if (!gzip) return c.body(text, code, JSON_TYPE);
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return c.body(stream, code, {
    ...JSON_TYPE,
    "content-encoding": "gzip",
    vary: "Accept-Encoding",
  });
}

/** The parsed body of a request; undefined when it has none. */
export async function bodyOf(request: Request): Promise<unknown> {
  const text = request.body === null ? "" : await request.text();
  if (text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badRequest(`couldn't read the body: ${(error as Error).message}`);
  }
}
