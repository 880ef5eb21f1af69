import type { RecordData, ResourceRecord } from "./record.ts";
import { CLASS_IN, formatType } from "./record_type.ts";

/** A record as dig shows it: `svc.ns.svc.cluster.local. 5 IN A 10.0.0.1`. */
export function formatRecord(
  { name, type, class: recordClass, ttlSeconds, data }: ResourceRecord,
): string {
  const shown = recordClass === CLASS_IN ? "IN" : `CLASS${recordClass}`;
  return `${name}. ${ttlSeconds} ${shown} ${formatType(type)} ${formatData(data)}`;
}

function formatData(data: RecordData): string {
  switch (data.kind) {
    case "address":
      return data.address;
    case "name":
      return `${data.target}.`;
    case "mx":
      return `${data.preference} ${data.exchange}.`;
    case "srv":
      return `${data.priority} ${data.weight} ${data.port} ${data.target}.`;
    case "txt":
      return data.strings.map((string) => `"${quoted(string)}"`).join(" ");
    case "soa": {
      const { primary, mailbox, serial, refresh, retry, expire, minimum } = data;
      return `${primary}. ${mailbox}. ${serial} ${refresh} ${retry} ${expire} ${minimum}`;
    }
    case "opaque":
      // RFC 3597 5.
      return `\\# ${data.bytes.length} ${data.bytes.toHex()}`.trimEnd();
    default:
      return data satisfies never;
  }
}

function quoted(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => {
    const char = String.fromCharCode(byte);
    if (byte < 0x20 || byte > 0x7e) return `\\${String(byte).padStart(3, "0")}`;
    return char === '"' || char === "\\" ? `\\${char}` : char;
  }).join("");
}
