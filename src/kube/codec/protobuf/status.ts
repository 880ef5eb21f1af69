import { concatBytes } from "../json.ts";
import type { StatusOptions } from "../../status.ts";
import { formatEnvelope, parseEnvelope } from "./envelope.ts";
import { formatField, formatNumber, formatText, MessageReader, VARINT } from "./wire.ts";

/** Fields of `meta/v1.Status`. */
const STATUS = { metadata: 1, status: 2, message: 3, reason: 4, details: 5, code: 6 } as const;

/** Fields of `meta/v1.StatusDetails`. */
const DETAILS = { name: 1, group: 2, kind: 3, causes: 4, retryAfterSeconds: 5, uid: 6 } as const;

/** Fields of `meta/v1.StatusCause`. */
const CAUSE = { reason: 1, message: 2, field: 3 } as const;

/** A failure `Status`, byte for byte as Go writes it: empty texts are spelled out. */
export function formatStatus(options: StatusOptions): Uint8Array {
  const { code, reason, message, details, continue: token = "" } = options;
  const fields = [
    formatField(STATUS.metadata, formatText(1, ""), formatText(2, ""), formatText(3, token)),
    formatText(STATUS.status, "Failure"),
    formatText(STATUS.message, message),
    formatText(STATUS.reason, reason ?? ""),
    ...(details === undefined ? [] : [formatField(STATUS.details, formatDetails(details))]),
    formatNumber(STATUS.code, code),
  ];
  return formatEnvelope({ kind: "Status", apiVersion: "v1" }, concatBytes(fields));
}

function formatDetails(
  { name = "", group = "", kind = "", causes = [], retryAfterSeconds = 0 }: NonNullable<
    StatusOptions["details"]
  >,
): Uint8Array {
  return concatBytes([
    formatText(DETAILS.name, name),
    formatText(DETAILS.group, group),
    formatText(DETAILS.kind, kind),
    ...causes.map((cause) =>
      formatField(
        DETAILS.causes,
        formatText(CAUSE.reason, cause.reason),
        formatText(CAUSE.message, cause.message),
        formatText(CAUSE.field, cause.field ?? ""),
      )
    ),
    formatNumber(DETAILS.retryAfterSeconds, retryAfterSeconds),
    formatText(DETAILS.uid, ""),
  ]);
}

/** Code and message of a `Status`. @throws {SyntaxError} */
export function readStatus(object: Uint8Array): { code?: number; message?: string } {
  const status: { code?: number; message?: string } = {};
  const reader = new MessageReader(parseEnvelope(object).raw);
  while (reader.next()) {
    if (reader.is(STATUS.message)) status.message = reader.text();
    else if (reader.field === STATUS.code && reader.wire === VARINT) status.code = reader.value;
  }
  return status;
}
