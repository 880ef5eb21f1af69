import * as z from "zod/mini";
import type { Network } from "./model.ts";

/**
 * What a network must look like in a file. Strict, for the texts go into commands: nothing that is no
 * address, MAC or name gets that far, whoever wrote the file.
 *
 * @module
 */

const InterfaceName = z.string().check(z.regex(/^[\w.:@-]{1,15}$/, "must be an interface name"));
const Mac = z.string().check(z.regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/, "must be a MAC"));
const Address = z.union([z.ipv4(), z.ipv6()], "must be an IP address");
const Prefixed = z.union([z.cidrv4(), z.cidrv6()], "must be an address with a prefix length");
const Mtu = z.int().check(z.minimum(68), z.maximum(65_535));

const Underlay = z.object({ name: InterfaceName, mac: z.union([Mac, z.literal("")]), mtu: Mtu });

const Link = z.object({
  name: InterfaceName.check(z.regex(/^flannel(-v6)?\.\d+$/, "must be a name that flannel gives")),
  vni: z.int().check(z.minimum(0), z.maximum(0xff_ffff)),
  port: z.int().check(z.minimum(1), z.maximum(65_535)),
  mac: Mac,
  mtu: Mtu,
  local: Address,
  underlay: InterfaceName,
  learning: z.boolean(),
  gbp: z.boolean(),
  txQueueLength: z.int().check(z.minimum(0), z.maximum(1_000_000)),
  addresses: z.array(Prefixed),
  txChecksum: z.optional(z.boolean()),
});

const Peer = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("vxlan"),
    subnet: Prefixed,
    link: InterfaceName,
    gateway: Address,
    mac: Mac,
    endpoint: Address,
    node: z.optional(z.string()),
  }),
  z.object({
    kind: z.literal("direct"),
    subnet: Prefixed,
    link: InterfaceName,
    gateway: Address,
    node: z.optional(z.string()),
  }),
]);

const Pod = z.object({
  network: z.string(),
  namespace: z.string(),
  name: z.string(),
  uid: z.string(),
  containerId: z.string(),
  ifName: z.string(),
  ips: z.array(Address),
});

/** {@linkcode Network} as it lies in a file. */
export const NetworkContent: z.ZodMiniType<Network> = z.object({
  underlays: z.array(Underlay),
  links: z.array(Link),
  peers: z.array(Peer),
  subnetEnv: z.optional(z.string()),
  podCidrs: z.array(Prefixed),
  files: z.array(z.object({ path: z.string(), text: z.string() })),
  bridges: z.array(z.object({
    name: InterfaceName,
    mac: Mac,
    mtu: Mtu,
    addresses: z.array(Prefixed),
  })),
  sysctls: z.record(
    z.string().check(z.regex(/^[a-z][\w.\/-]*$/, "must be the name of a kernel setting")),
    z.string().check(z.regex(/^[\w .-]*$/, "must be the value of a kernel setting")),
  ),
  modules: z.array(z.string().check(z.regex(/^[a-z]\w*$/, "must be the name of a kernel module"))),
  pods: z.array(Pod),
});
