import { canonicalIps } from "./ip_ranges.ts";
import { arrayOf, type JsonObject, objectOf, textOf } from "./loose_json.ts";

/** The addresses in a CNI result of any version: `ips[].address`, before 0.3.0 `ip4.ip` and `ip6.ip`. */
export function resultIps(result: JsonObject): string[] {
  const texts = [
    ...arrayOf(result.ips).map((ip) => textOf(objectOf(ip).address)),
    textOf(objectOf(result.ip4).ip),
    textOf(objectOf(result.ip6).ip),
  ];
  return canonicalIps(
    texts.filter((text) => text !== undefined).map((text) => text.split("/")[0]!),
  );
}
