import fc from "fast-check";
import { formatIp } from "../../src/dns/wire/ip_address.ts";
import { createMessage, encodeMessage, type Message } from "../../src/dns/wire/message.ts";
import { labelBytes, nameSize, parseName } from "../../src/dns/wire/name.ts";
import type { Edns } from "../../src/dns/wire/edns.ts";
import type { RecordData, ResourceRecord } from "../../src/dns/wire/record.ts";
import { TYPE } from "../../src/dns/wire/record_type.ts";

const plain = { noNullPrototype: true } as const;
const uint16 = fc.nat(0xffff);
const uint32 = fc.nat(0xffff_ffff);

/** Few different ones, so that names share their ends, and now and then any bytes. */
const dnsLabel: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom("a", "svc", "x-1", "_tcp", "cluster", "local") },
  {
    weight: 1,
    arbitrary: fc.uint8Array({ minLength: 1, maxLength: 63 }).map((bytes) =>
      parseName([...bytes].map((byte) => `\\${String(byte).padStart(3, "0")}`).join(""))
        // Names are compared without case, so a compressed one may take over another's.
        .toLowerCase()
    ),
  },
);

/** A name as the codec has it. */
export const dnsName: fc.Arbitrary<string> = fc.array(dnsLabel, { maxLength: 6 })
  .map((labels) => labels.join("."))
  .filter((name) => nameSize(name) <= 255);

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((b) => Uint8Array.from(b));
const address = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map(formatIp);

/** A name as it stands in a message when nothing of it is compressed. */
export function plainName(name: string): number[] {
  const labels = name === "" ? [] : name.split(".").map(labelBytes);
  return [...labels.flatMap((label) => [label.length, ...label]), 0];
}

/** RDATA of the types that are passed on as they are and hold names: what stands before them, how many, and after. */
export const NAMES_IN_DATA: readonly {
  type: number;
  before: number[];
  names: number;
  after: number[];
}[] = [
  ...[TYPE.MD, TYPE.MF, TYPE.MB, TYPE.MG, TYPE.MR, TYPE.DNAME]
    .map((type) => ({ type, before: [], names: 1, after: [] })),
  ...[TYPE.MINFO, TYPE.RP].map((type) => ({ type, before: [], names: 2, after: [] })),
  ...[TYPE.AFSDB, TYPE.RT, TYPE.KX]
    .map((type) => ({ type, before: [0xc0, 12], names: 1, after: [] })),
  { type: TYPE.PX, before: [0, 10], names: 2, after: [] },
  // Order, preference, flags "u", no service, a regular expression.
  { type: TYPE.NAPTR, before: [0, 1, 0, 2, 1, 0x75, 0, 2, 0xc0, 12], names: 1, after: [] },
  { type: TYPE.SIG, before: new Array<number>(18).fill(0xc0), names: 1, after: [0xc0, 12, 1] },
  { type: TYPE.NXT, before: [], names: 1, after: [0x40, 0xc0, 12] },
];

const dataWithNames: fc.Arbitrary<[type: number, data: RecordData]> = fc.tuple(
  fc.constantFrom(...NAMES_IN_DATA),
  dnsName,
  dnsName,
).map(([{ type, before, names, after }, ...two]) => {
  const plain = [...before, ...two.slice(0, names).flatMap(plainName), ...after];
  return [type, { kind: "opaque", bytes: Uint8Array.from(plain) }];
});

const typedData: fc.Arbitrary<[type: number, data: RecordData]> = fc.oneof(
  address(4).map((address) => [TYPE.A, { kind: "address" as const, address }]),
  address(16).map((address) => [TYPE.AAAA, { kind: "address" as const, address }]),
  fc.tuple(fc.constantFrom(TYPE.NS, TYPE.CNAME, TYPE.PTR), dnsName)
    .map(([type, target]) => [type, { kind: "name" as const, target }]),
  fc.record({ kind: fc.constant("mx" as const), preference: uint16, exchange: dnsName }, plain)
    .map((data) => [TYPE.MX, data]),
  fc.record({
    kind: fc.constant("srv" as const),
    priority: uint16,
    weight: uint16,
    port: uint16,
    target: dnsName,
  }, plain).map((data) => [TYPE.SRV, data]),
  fc.array(bytes(40), { minLength: 1, maxLength: 3 })
    .map((strings) => [TYPE.TXT, { kind: "txt" as const, strings }]),
  fc.record({
    kind: fc.constant("soa" as const),
    primary: dnsName,
    mailbox: dnsName,
    serial: uint32,
    refresh: uint32,
    retry: uint32,
    expire: uint32,
    minimum: uint32,
  }, plain).map((data) => [TYPE.SOA, data]),
  dataWithNames,
  fc.tuple(fc.constantFrom(TYPE.HINFO, TYPE.HTTPS, 9999), bytes(40))
    .map(([type, data]) => [type, { kind: "opaque" as const, bytes: data }]),
) as fc.Arbitrary<[number, RecordData]>;

const record: fc.Arbitrary<ResourceRecord> = fc.record({
  name: dnsName,
  typed: typedData,
  ttlSeconds: fc.nat(0x7fff_ffff),
}).map(({ name, typed: [type, data], ttlSeconds }) => ({ name, type, class: 1, ttlSeconds, data }));

const edns: fc.Arbitrary<Edns> = fc.record({
  udpSizeBytes: uint16,
  version: fc.constantFrom(0, 0, 0, 1),
  dnssecOk: fc.boolean(),
  options: fc.array(fc.record({ code: uint16, data: bytes(12) }, plain), { maxLength: 2 }),
}, plain);

/** Any message that can be written. */
export const dnsMessage: fc.Arbitrary<Message> = fc.record({
  id: uint16,
  response: fc.boolean(),
  opcode: fc.nat(15),
  authoritative: fc.boolean(),
  truncated: fc.boolean(),
  recursionDesired: fc.boolean(),
  recursionAvailable: fc.boolean(),
  authenticData: fc.boolean(),
  checkingDisabled: fc.boolean(),
  rcode: fc.nat(15),
  questions: fc.array(fc.record({ name: dnsName, type: uint16, class: uint16 }, plain), {
    maxLength: 2,
  }),
  answers: fc.array(record, { maxLength: 4 }),
  authorities: fc.array(record, { maxLength: 2 }),
  additionals: fc.array(record, { maxLength: 3 }),
  edns: fc.option(edns, { nil: undefined }),
}, plain).map(({ edns, ...message }) => edns === undefined ? message : { ...message, edns });

/** The packet of a query as clients send it. */
export function queryPacket(
  name: string,
  type: number,
  fields: Partial<Message> = {},
): Uint8Array<ArrayBuffer> {
  return encodeMessage(createMessage({
    id: 0x1234,
    recursionDesired: true,
    questions: [{ name, type, class: 1 }],
    ...fields,
  }));
}

/** OPT of a client that takes so many bytes. */
export const ednsOf = (udpSizeBytes: number): Edns => ({
  udpSizeBytes,
  version: 0,
  dnssecOk: false,
  options: [],
});
