/** Content negotiation (RFC 9110 12.5.1) with the parameters that Kubernetes adds: `as`, `g`, `v`. */

/** One media range of an Accept header. */
export interface MediaRange {
  /** `type/subtype` in lower case. */
  type: string;
  params: Readonly<Record<string, string>>;
  /** The range as it was written, without its weight. */
  text: string;
}

/** The ranges of an Accept header by falling weight, then in their order. No header accepts anything. */
export function parseAccept(header: string | null): MediaRange[] {
  const ranges = (header ?? "*/*").split(",").map((text) => text.trim()).filter((text) =>
    text !== ""
  );
  return ranges
    .map((range) => {
      const [type = "", ...pairs] = range.split(";").map((part) => part.trim());
      const params: Record<string, string> = {};
      let weight = 1;
      for (const pair of pairs) {
        const [name = "", value = ""] = pair.split("=").map((part) => part.trim());
        if (name.toLowerCase() === "q") weight = Number(value) || 0;
        else params[name.toLowerCase()] = value;
      }
      const kept = Object.entries(params).map(([name, value]) => `${name}=${value}`);
      return { type: type.toLowerCase(), params, text: [type, ...kept].join(";"), weight };
    })
    .filter((range) => range.weight > 0)
    .sort((a, b) => b.weight - a.weight)
    .map(({ type, params, text }) => ({ type, params, text }));
}

/** Whether a media type that a server sent satisfies a range. */
export function satisfies(contentType: string, range: MediaRange): boolean {
  const [have] = parseAccept(contentType);
  if (have === undefined) return false;
  if (range.type !== "*/*" && range.type !== have.type) {
    if (!range.type.endsWith("/*") || !have.type.startsWith(range.type.slice(0, -1))) return false;
  }
  return Object.entries(range.params).every(([name, value]) =>
    name === "charset" || have.params[name] === value
  );
}

/** The first of the ranges' matches in `contentTypes`: its index, or -1. */
export function negotiate(accept: string | null, contentTypes: readonly string[]): number {
  for (const range of parseAccept(accept)) {
    const index = contentTypes.findIndex((contentType) => satisfies(contentType, range));
    if (index >= 0) return index;
  }
  return -1;
}

const CBOR = /^\s*application\/cbor(-seq)?\s*(;|$)/i;

/** An Accept header without CBOR, which the agent does not read, unless the client takes nothing else. */
export function withoutCbor(accept: string): string {
  return accept.split(",").filter((range) => !CBOR.test(range)).join(",") || accept;
}
