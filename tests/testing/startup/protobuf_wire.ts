/** A decoded message: the values of each field by number. Numbers are left out: nothing here needs them. */
export type WireMessage = ReadonlyMap<number, readonly Uint8Array[]>;

/**
 * Reads the length-delimited fields of a protobuf message, without a schema. Written for the tests alone, so
 * that what judges the agent shares no code with it.
 *
 * @throws {SyntaxError} when the bytes are no message.
 */
export function readWire(bytes: Uint8Array): WireMessage {
  const fields = new Map<number, Uint8Array[]>();
  let at = 0;
  const varint = () => {
    for (let value = 0, factor = 1; at < bytes.length; factor *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
    throw new SyntaxError(`Cannot read a protobuf message: it ends in a number, at ${at}`);
  };
  while (at < bytes.length) {
    const key = varint();
    const field = Math.floor(key / 8);
    switch (key % 8) {
      case 0:
        varint();
        break;
      case 1:
        at += 8;
        break;
      case 2: {
        const length = varint();
        if (at + length > bytes.length) {
          throw new SyntaxError(`Cannot read a protobuf message: field ${field} ends behind it`);
        }
        const values = fields.get(field) ?? [];
        values.push(bytes.subarray(at, at += length));
        fields.set(field, values);
        break;
      }
      case 5:
        at += 4;
        break;
      default:
        throw new SyntaxError(`Cannot read a protobuf message: wire type ${key % 8} at ${at}`);
    }
  }
  return fields;
}

/** The last value of a field as a text; empty if there is none. */
export function textOf(message: WireMessage, field: number): string {
  return new TextDecoder().decode(message.get(field)?.at(-1));
}

/** The last value of a field as a message; empty if there is none. */
export function messageOf(message: WireMessage, field: number): WireMessage {
  return readWire(message.get(field)?.at(-1) ?? new Uint8Array());
}
