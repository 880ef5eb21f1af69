import * as z from "zod/mini";

/** A link-local address of this node on which the server listens, and where it is to be. */
export interface LocalAddress {
  /** IPv4, without a prefix length: it is a host's own. */
  address: string;
  /** The device that is made for it where the kernel can. */
  device: string;
}

/** Which of the host's devices have an address. */
export interface DeviceAddresses {
  device: string;
  up: boolean;
  /** With their labels: the device's name, unless whoever set one said otherwise; IPv6 has none. */
  addresses: { address: string; label?: string }[];
  /** What kind of device it is, such as `dummy` or `bridge`; undefined for hardware. */
  kind?: string;
}

const Device = z.object({
  ifname: z.optional(z.string()),
  flags: z.prefault(z.array(z.string()), []),
  linkinfo: z.optional(z.object({ info_kind: z.optional(z.string()) })),
  addr_info: z.prefault(
    z.array(z.object({ local: z.optional(z.string()), label: z.optional(z.string()) })),
    [],
  ),
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
      addresses: addr_info.flatMap(({ local, label }) =>
        local === undefined ? [] : [{ address: local, ...(label !== undefined && { label }) }]
      ),
    }]
  );
}

/** Where the address is, or should be. */
export type Placement =
  /** Others have set it: nothing is ours to set or to take away. */
  | { state: "foreign"; device: string }
  /** This agent has set it, or one before it that could not take it away. */
  | { state: "ours"; device: string; up: boolean }
  | { state: "absent" };

/** Finds an address on the host. */
export function placeOf(
  wanted: LocalAddress,
  devices: readonly DeviceAddresses[],
): Placement {
  let foreign: Placement = { state: "absent" };
  for (const each of devices) {
    const { device, up } = each;
    const found = each.addresses.find(({ address }) => address === wanted.address);
    if (found === undefined) continue;
    const isOurs = found.label === labelOn(device) || isMadeFor(wanted, each);
    if (isOurs) return { state: "ours", device, up };
    foreign = { state: "foreign", device };
  }
  return foreign;
}

/** Whether a device serves nothing but the address: it was made for that and goes with it. */
export function isMadeFor(
  { address, device: own }: LocalAddress,
  { device, kind, addresses }: DeviceAddresses,
): boolean {
  // The kernel adds a link-local IPv6 address by itself.
  return device === own && kind === "dummy" &&
    addresses.every((each) => each.address === address || each.address.startsWith("fe80:"));
}

/** Where an address goes that can have no device of its own. */
export const LOOPBACK = "lo";

/** Longest label that the kernel keeps (IFNAMSIZ without its final zero). */
const MAX_LABEL_CHARS = 15;

/**
 * The label by which an address of ours is known again, whatever became of the agent that set it. Every kernel
 * keeps labels; the protocol of an address, made for this, needs Linux 5.18 and an `ip` that is newer still. `ip`
 * wants the device's name before a label.
 */
function labelOn(device: string): string {
  return `${device}:edge-agent`.slice(0, MAX_LABEL_CHARS);
}

/** `ip`'s arguments that give a device an address, as one that belongs to this host alone. */
export function addressArguments(
  verb: "replace" | "delete",
  address: string,
  device: string,
): string[] {
  return ["address", verb, `${address}/32`, "dev", device, "label", labelOn(device)];
}
