/**
 * What a host finds at its boot where the LAN is plugged in.
 *
 * @module
 */

import { LAN } from "./lan.ts";

/** A network interface and what DHCP, or somebody, has given it. */
export interface Nic {
  /** Name of the device. */
  readonly name: string;
  readonly mac: string;
  /** Without a prefix; undefined where none was given (yet). */
  readonly address: string | undefined;
  readonly address6: string | undefined;
  /** Whether the cable is plugged in at the other end. */
  readonly carrier: boolean;
  /** By the LAN's router. */
  readonly defaultRoute: boolean;
  /** The kernel's number for it; undefined for the next. */
  readonly index: number | undefined;
}

/** Makes the device and its cable, for `ip -batch` on the host. */
export function plugCommands(nic: Nic, port: string, lanPid: number): string[] {
  const { name, mac, index } = nic;
  const number = index === undefined ? "" : `index ${index}`;
  return [
    `link add dev ${name} ${number} address ${mac} type veth peer name ${port} netns ${lanPid}`,
    `link set dev ${name} up`,
  ];
}

/** Gives it its addresses, for `ip -batch` on the host. */
export function addressCommands({ name, address, address6, defaultRoute }: Nic): string[] {
  const lines: string[] = [];
  if (address) {
    lines.push(`address add ${address}/${LAN.prefix} dev ${name}`);
    if (defaultRoute) lines.push(`route add default via ${LAN.gateway} dev ${name}`);
  }
  if (address6) {
    lines.push(`address add ${address6}/${LAN.prefix6} dev ${name} nodad`);
    if (defaultRoute) lines.push(`route add default via ${LAN.gateway6} dev ${name}`);
  }
  return lines;
}
