import * as z from "zod/mini";

/** A link-local address of this node on which the server listens, and where it is to be. */
export interface LocalAddress {
  /** Without a prefix length: it is a host's own. */
  address: string;
  /** The device that is made for it where the kernel can. */
  device: string;
}

/** Which of the host's devices have an address. */
export interface DeviceAddresses {
  device: string;
  up: boolean;
  addresses: string[];
  /** What kind of device it is, such as `dummy` or `bridge`; undefined for hardware. */
  kind?: string;
}

const Device = z.object({
  ifname: z.optional(z.string()),
  flags: z.prefault(z.array(z.string()), []),
  linkinfo: z.optional(z.object({ info_kind: z.optional(z.string()) })),
  addr_info: z.prefault(z.array(z.object({ local: z.optional(z.string()) })), []),
});

/**
 * Reads what `ip -j -d address show` prints, loosely.
 *
 * @throws {SyntaxError} when it is no list of devices
 */
export function parseDeviceAddresses(text: string): DeviceAddresses[] {
  let data: unknown;
  try {
    data = JSON.parse(text.trim() || "[]");
  } catch {
    throw new SyntaxError(`Cannot read what "ip -j -d address show" printed: it is no JSON`);
  }
  const devices = z.array(Device).safeParse(data);
  if (!devices.success) {
    throw new SyntaxError(
      `Cannot read what "ip -j -d address show" printed: it is no list of devices`,
    );
  }
  return devices.data.flatMap(({ ifname, flags, addr_info, linkinfo }) =>
    ifname === undefined ? [] : [{
      device: ifname,
      ...(linkinfo?.info_kind !== undefined && { kind: linkinfo.info_kind }),
      up: flags.includes("UP"),
      addresses: addr_info.flatMap(({ local }) => local ?? []),
    }]
  );
}

/** Where the address is, or should be. */
export type Placement =
  /** On a device that others made: nothing is ours to set or to take away. */
  | { state: "foreign"; device: string }
  /** On a device of our own, or on the loopback device. */
  | { state: "ours"; device: string; up: boolean }
  | { state: "absent" };

/** Finds an address on the host. */
export function placeOf(
  { address, device: own }: LocalAddress,
  devices: readonly DeviceAddresses[],
): Placement {
  const holder = devices.find(({ addresses }) => addresses.includes(address));
  if (holder === undefined) return { state: "absent" };
  const { device, up } = holder;
  return device === own || device === LOOPBACK
    ? { state: "ours", device, up }
    : { state: "foreign", device };
}

/** Whether a device serves nothing but the address: it was made for that and goes with it. */
export function isMadeFor(
  { address, device: own }: LocalAddress,
  { device, kind, addresses }: DeviceAddresses,
): boolean {
  // The kernel adds a link-local IPv6 address by itself.
  return device === own && kind === "dummy" &&
    addresses.every((each) => each === address || each.startsWith("fe80:"));
}

/** Where an address goes that can have no device of its own. */
export const LOOPBACK = "lo";

/** `ip`'s arguments that give a device an address, as one that belongs to this host alone. */
export function addressArguments(
  verb: "replace" | "delete",
  address: string,
  device: string,
): string[] {
  const v6 = address.includes(":");
  return [
    ...["address", verb, `${address}/${v6 ? 128 : 32}`, "dev", device],
    // Nobody else can have it: waiting for an answer would only delay its use.
    ...(v6 && verb === "replace" ? ["nodad"] : []),
  ];
}
