import * as z from "zod/mini";
import { formatCidr, type Network, parseCidr } from "./cidr.ts";

/** Where a listener binds or what a client dials. IPv6 addresses are without brackets. */
export interface Endpoint {
  hostname: string;
  /** 0 to 65535; 0 lets a listener take any free port. */
  port: number;
}

const DNS_NAME =
  /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i;

/**
 * Reads `127.0.0.1:51003`, `[::1]:53` or `localhost:8080`.
 *
 * @throws {SyntaxError} saying what is wrong with it.
 */
export function parseHostPort(text: string): Endpoint {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*)):([^:]*)$/.exec(text);
  if (match === null) {
    throw new SyntaxError(`must be host:port, such as "127.0.0.1:51003" or "[::1]:51003"`);
  }
  const [, ipv6, name = "", portText = ""] = match;
  if (!/^\d{1,5}$/.test(portText) || Number(portText) > 65_535) {
    throw new SyntaxError(`must end in a port from 0 to 65535`);
  }
  const port = Number(portText);
  if (ipv6 !== undefined) {
    if (!z.regexes.ipv6.test(ipv6)) {
      throw new SyntaxError(`has no IPv6 address between the brackets`);
    }
    return { hostname: ipv6, port };
  }
  // A name whose last label is a number is meant as an IPv4 address (URL standard, "ends in a number").
  const isName = DNS_NAME.test(name) && !/(^|\.)\d+$/.test(name);
  if (!isName && !z.regexes.ipv4.test(name)) {
    throw new SyntaxError(`must begin with an IP address or a host name`);
  }
  return { hostname: name, port };
}

/** The text that {@linkcode parseHostPort} reads. */
export function formatHostPort({ hostname, port }: Endpoint): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

const DURATION_UNITS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };

/**
 * Reads `250ms`, `30s`, `5m`, `24h`, `7d` or several units, largest first (`1h30m`), as ms.
 *
 * @throws {SyntaxError} also for a bare number: its unit would be a guess.
 */
export function parseDuration(text: string): number {
  const match = /^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?$/.exec(text);
  if (match === null || text === "") {
    throw new SyntaxError(`must be a duration such as "250ms", "30s", "5m", "24h" or "7d"`);
  }
  const sum = Object.values(DURATION_UNITS)
    .reduce((total, unitMs, i) => total + Number(match[i + 1] ?? 0) * unitMs, 0);
  if (!Number.isSafeInteger(sum)) throw new SyntaxError(`is longer than can be counted in ms`);
  return sum;
}

/** The shortest text that {@linkcode parseDuration} reads as `ms`, with one unit. */
export function formatDuration(ms: number): string {
  const unit = Object.entries(DURATION_UNITS).find(([, unitMs]) =>
    ms >= unitMs && ms % unitMs === 0
  );
  return unit === undefined ? `${ms}s` : `${ms / unit[1]}${unit[0]}`;
}

const BYTE_UNITS = new Map([
  ["Ti", 2 ** 40],
  ["Gi", 2 ** 30],
  ["Mi", 2 ** 20],
  ["Ki", 2 ** 10],
  ["T", 1e12],
  ["G", 1e9],
  ["M", 1e6],
  ["k", 1e3],
  ["", 1],
]);

/**
 * Reads `8Mi`, `512Ki`, `1Gi`, `2G` or `4096` as bytes, with the units of Kubernetes quantities.
 *
 * @throws {SyntaxError} saying what is accepted.
 */
export function parseByteSize(text: string): number {
  const match = /^(\d+)(\D*)$/.exec(text);
  const unit = BYTE_UNITS.get(match?.[2] ?? "?");
  if (match === null || unit === undefined) {
    throw new SyntaxError(`must be a size such as "512Ki", "8Mi", "1Gi" or a number of bytes`);
  }
  const bytes = Number(match[1]) * unit;
  if (!Number.isSafeInteger(bytes)) throw new SyntaxError(`is more bytes than can be counted`);
  return bytes;
}

/** The text that {@linkcode parseByteSize} reads as `bytes`, with a binary unit where one fits. */
export function formatByteSize(bytes: number): string {
  for (const [name, unit] of BYTE_UNITS) {
    if (name.endsWith("i") && bytes >= unit && bytes % unit === 0) return `${bytes / unit}${name}`;
  }
  return `${bytes}`;
}

/**
 * Checks that a path starts at the root: a service has no working directory that its owner would know.
 *
 * @throws {SyntaxError} for any other path.
 */
export function parseFilePath(text: string): string {
  if (!text.startsWith("/")) {
    throw new SyntaxError(`must be an absolute path, such as "/etc/edge-agent/ca.crt"`);
  }
  if (text.includes("\0")) throw new SyntaxError(`must not hold a NUL character`);
  return text;
}

/** A codec whose both directions are plain functions; a SyntaxError of `parse` becomes the issue. */
function codec<I extends string | number, O>(
  input: z.ZodMiniType<I, I>,
  parse: (value: I) => O,
  format: (value: O) => I,
): z.ZodMiniCodec<z.ZodMiniType<I, I>, z.ZodMiniCustom<O, O>> {
  return z.codec(input, z.custom<O>(), {
    decode(value, context) {
      try {
        return parse(value);
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        context.issues.push({ code: "custom", message: error.message, input: value });
        return z.NEVER;
      }
    },
    encode: format,
  });
}

const text = (what: string) => z.string(`must be ${what}`);

/** `host:port`, for {@linkcode Endpoint}. */
export const HostPort = codec(
  text(`host:port, such as "127.0.0.1:51003"`),
  parseHostPort,
  formatHostPort,
);
export type HostPort = z.output<typeof HostPort>;

/** A length of time, as ms. */
export const Duration = codec(
  text(`a duration with a unit, such as "250ms", "30s", "5m", "24h" or "7d"`),
  parseDuration,
  formatDuration,
);
export type Duration = z.output<typeof Duration>;

/** A number of bytes. */
export const ByteSize = codec(
  z.union([z.string(), z.number()], `must be a size such as "512Ki", "8Mi" or a number of bytes`),
  (value) => parseByteSize(String(value)),
  // A bare number stays one, so that YAML needs no quotes around it.
  (bytes) => /\D/.test(formatByteSize(bytes)) ? formatByteSize(bytes) : bytes,
);
export type ByteSize = z.output<typeof ByteSize>;

/** A network in CIDR notation. */
export const Cidr = codec(text(`a network such as "10.42.0.0/16"`), parseCidr, formatCidr);
export type Cidr = z.output<typeof Cidr>;

/** An absolute path. */
export const FilePath = codec(text(`an absolute path`), parseFilePath, (path: string) => path);
export type FilePath = z.output<typeof FilePath>;

export type { Network };
