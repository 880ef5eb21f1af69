import assert from "node:assert/strict";
import fc from "fast-check";
import { dnsName } from "../../../tests/testing/dns_messages.ts";
import { isWithin, nameKey, nameSize, parseName, readName, skipName } from "./name.ts";
import { WireWriter } from "./wire_writer.ts";

Deno.test.each([
  { name: "the root", text: ".", want: "" },
  { name: "nothing as the root", text: "", want: "" },
  { name: "a final dot", text: "Svc1.Local.", want: "Svc1.Local" },
  { name: "no final dot", text: "a.b", want: "a.b" },
  { name: "an escaped dot", text: "a\\.b.c", want: "a\\046b.c" },
  { name: "a decimal escape of a letter", text: "\\097.b", want: "a.b" },
  { name: "a space", text: "a b", want: "a\\032b" },
])("parseName() reads $name", ({ text, want }) => {
  assert.equal(parseName(text), want);
});

Deno.test.each([
  { name: "an empty label", text: "a..b" },
  { name: "an empty first label", text: ".a" },
  { name: "a label of 64 bytes", text: "a".repeat(64) },
  { name: "a name of 256 bytes", text: Array(4).fill("a".repeat(63)).join(".") },
  { name: "an escape beyond a byte", text: "\\256" },
  { name: "a backslash at the end", text: "a\\" },
  { name: "a short escape", text: "a\\25" },
  { name: "what is no byte", text: "ä€" },
])("parseName() refuses $name", ({ text }) => {
  assert.throws(() => parseName(text), SyntaxError);
});

Deno.test.each([
  { name: "a.cluster.local", zone: "cluster.local", want: true },
  { name: "cluster.local", zone: "cluster.local", want: true },
  { name: "xcluster.local", zone: "cluster.local", want: false },
  { name: "local", zone: "cluster.local", want: false },
  { name: "anything", zone: "", want: true },
])("isWithin($name, $zone) is $want", ({ name, zone, want }) => {
  assert.equal(isWithin(name, zone), want);
});

Deno.test("readName() reads what the writer wrote, and skipName() ends where it does", () => {
  fc.assert(fc.property(fc.array(dnsName, { minLength: 1, maxLength: 5 }), (names) => {
    const writer = new WireWriter(0);
    writer.raw(new Uint8Array(12));
    for (const name of names) writer.name(name);
    const bytes = writer.take();
    let at = 12;
    for (const name of names) {
      const read = readName(bytes, at, "text");
      assert.equal(read.name, name);
      assert.equal(readName(bytes, at, "key").name, nameKey(name));
      assert.equal(skipName(bytes, at), read.end);
      at = read.end;
    }
    assert.equal(at, bytes.length);
  }));
});

Deno.test("nameSize() is what an uncompressed name takes", () => {
  fc.assert(fc.property(dnsName, (name) => {
    const writer = new WireWriter();
    writer.name(name, "plain");
    assert.equal(writer.length, nameSize(name));
  }));
});

Deno.test("WireWriter points to the longest end that is known, whatever its case", () => {
  const writer = new WireWriter(12);
  writer.name("svc1.ns.Cluster.Local");
  const first = writer.length;
  writer.name("svc2.NS.cluster.local");
  // A length, "svc2" and a pointer.
  assert.equal(writer.length - first, 5 + 2);
  writer.rewind(first);
  writer.name("svc2.x");
  writer.name("svc2.ns.cluster.local");
  const bytes = writer.take();
  const again = readName(Uint8Array.of(...new Array(12).fill(0), ...bytes), 12 + first + 8, "text");
  assert.equal(again.name, "svc2.ns.Cluster.Local");
});
