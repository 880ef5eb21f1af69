import assert from "node:assert/strict";
import fc from "fast-check";
import * as z from "zod/mini";
import {
  ByteSize,
  Cidr,
  Duration,
  FilePath,
  formatByteSize,
  formatDuration,
  formatHostPort,
  HostPort,
  parseByteSize,
  parseDuration,
  parseFilePath,
  parseHostPort,
} from "./scalars.ts";

Deno.test.each([
  { text: "127.0.0.1:51003", hostname: "127.0.0.1", port: 51003 },
  { text: "0.0.0.0:0", hostname: "0.0.0.0", port: 0 },
  { text: "[::1]:53", hostname: "::1", port: 53 },
  { text: "[fd00::a]:65535", hostname: "fd00::a", port: 65535 },
  { text: "localhost:80", hostname: "localhost", port: 80 },
  { text: "api.example.com:6443", hostname: "api.example.com", port: 6443 },
])("parseHostPort() reads $text and formatHostPort() writes it", ({ text, hostname, port }) => {
  assert.deepEqual(parseHostPort(text), { hostname, port });
  assert.equal(formatHostPort({ hostname, port }), text);
});

Deno.test.each([
  { text: "", why: /host:port/ },
  { text: "51003", why: /host:port/ },
  { text: "::1:53", why: /host:port/ },
  { text: "[::1]", why: /host:port/ },
  { text: "https://10.0.0.1:6443", why: /host:port/ },
  { text: "127.0.0.1:65536", why: /port from 0 to 65535/ },
  { text: "127.0.0.1:", why: /port from 0 to 65535/ },
  { text: "127.0.0.1:-1", why: /port from 0 to 65535/ },
  { text: "127.0.0.1:http", why: /port from 0 to 65535/ },
  { text: "127.0.0.1: 80", why: /port from 0 to 65535/ },
  { text: ":80", why: /IP address or a host name/ },
  { text: "127.0.0.256:80", why: /IP address or a host name/ },
  { text: "127.1:80", why: /IP address or a host name/ },
  { text: "1:80", why: /IP address or a host name/ },
  { text: "a_b:80", why: /IP address or a host name/ },
  { text: "[127.0.0.1]:80", why: /IPv6/ },
  { text: "[]:80", why: /IPv6/ },
])("parseHostPort() refuses '$text'", ({ text, why }) => {
  assert.throws(() => parseHostPort(text), (e) => e instanceof SyntaxError && why.test(e.message));
});

Deno.test.each([
  { text: "0s", ms: 0 },
  { text: "250ms", ms: 250 },
  { text: "30s", ms: 30_000 },
  { text: "5m", ms: 300_000 },
  { text: "24h", ms: 86_400_000 },
  { text: "7d", ms: 604_800_000 },
  { text: "1h30m", ms: 5_400_000 },
  { text: "1m1ms", ms: 60_001 },
])("parseDuration() reads $text as $ms", ({ text, ms }) => {
  assert.equal(parseDuration(text), ms);
});

Deno.test.each([
  "",
  "30",
  "s",
  "-1s",
  "1.5h",
  "30 s",
  "1m1h",
  "1w",
  "30S",
  "1e3s",
  "99999999999999999d",
])(
  "parseDuration() refuses '%s'",
  (text) => {
    assert.throws(() => parseDuration(text), SyntaxError);
  },
);

Deno.test.each([
  { ms: 0, text: "0s" },
  { ms: 999, text: "999ms" },
  { ms: 1_500, text: "1500ms" },
  { ms: 90_000, text: "90s" },
  { ms: 86_400_000, text: "1d" },
])("formatDuration() writes $ms as $text", ({ ms, text }) => {
  assert.equal(formatDuration(ms), text);
});

Deno.test("parseDuration() reads back what formatDuration() writes", () => {
  fc.assert(fc.property(fc.maxSafeNat(), (ms) => parseDuration(formatDuration(ms)) === ms));
});

Deno.test.each([
  { text: "0", bytes: 0 },
  { text: "4096", bytes: 4096 },
  { text: "512Ki", bytes: 524_288 },
  { text: "8Mi", bytes: 8_388_608 },
  { text: "1Gi", bytes: 1_073_741_824 },
  { text: "2Ti", bytes: 2_199_023_255_552 },
  { text: "3k", bytes: 3_000 },
  { text: "2G", bytes: 2_000_000_000 },
])("parseByteSize() reads $text as $bytes", ({ text, bytes }) => {
  assert.equal(parseByteSize(text), bytes);
});

Deno.test.each(["", "Mi", "-1", "1.5Gi", "8 Mi", "8MiB", "8mi", "8K", "1e6", "99999999Ti"])(
  "parseByteSize() refuses '%s'",
  (text) => {
    assert.throws(() => parseByteSize(text), SyntaxError);
  },
);

Deno.test("parseByteSize() reads back what formatByteSize() writes", () => {
  fc.assert(fc.property(fc.maxSafeNat(), (n) => parseByteSize(formatByteSize(n)) === n));
  assert.equal(formatByteSize(8_388_608), "8Mi");
  assert.equal(formatByteSize(1_500), "1500");
});

Deno.test.each(["", "ca.crt", "./ca.crt", "~/ca.crt", "/a\0b"])(
  "parseFilePath() refuses '%s'",
  (path) => {
    assert.throws(() => parseFilePath(path), SyntaxError);
  },
);

Deno.test.each([
  { name: "HostPort", schema: HostPort, input: "[::1]:53" },
  { name: "Duration", schema: Duration, input: "90s" },
  { name: "ByteSize", schema: ByteSize, input: "8Mi" },
  { name: "ByteSize of a bare number", schema: ByteSize, input: 4097 },
  { name: "Cidr", schema: Cidr, input: "10.42.0.0/16" },
  { name: "FilePath", schema: FilePath, input: "/etc/ca.crt" },
])("$name gives back its input when encoded", ({ schema, input }) => {
  const anySchema = schema as z.ZodMiniType<unknown, unknown>;
  assert.equal(z.encode(anySchema, z.parse(anySchema, input)), input);
});

Deno.test.each([
  { name: "HostPort", schema: HostPort, input: 51003, why: /host:port/ },
  { name: "HostPort", schema: HostPort, input: "x", why: /host:port/ },
  { name: "Duration", schema: Duration, input: 30, why: /unit/ },
  { name: "ByteSize", schema: ByteSize, input: 1.5, why: /number of bytes/ },
  { name: "ByteSize", schema: ByteSize, input: true, why: /number of bytes/ },
  { name: "Cidr", schema: Cidr, input: "10.0.0.0", why: /network/ },
  { name: "FilePath", schema: FilePath, input: "ca.crt", why: /absolute path/ },
])("$name names what it wants when given $input", ({ schema, input, why }) => {
  const result = z.safeParse(schema as z.ZodMiniType<unknown, unknown>, input);
  assert.equal(result.success, false);
  assert.match(result.error?.issues[0]?.message ?? "", why);
});
