import assert from "node:assert/strict";
import * as fc from "fast-check";
import {
  isRecentEnough,
  parseFdb,
  parseInterfaces,
  parseIprouteVersion,
  parseNeighbours,
  parseRoutes,
} from "./iproute.ts";

Deno.test("parseInterfaces() reads cards and vxlan devices of both families", () => {
  const { interfaces, links } = parseInterfaces(
    JSON.stringify([
      { ifname: "eth0", flags: ["UP"], mtu: 1500, address: "02:00:00:00:00:01", txqlen: 1000 },
      {
        ifname: "flannel.1",
        flags: ["BROADCAST", "UP"],
        mtu: 1450,
        address: "8a:00:00:00:00:01",
        txqlen: 0,
        linkinfo: {
          info_kind: "vxlan",
          info_data: { id: 1, local: "192.168.5.1", link: "eth0", port: 8472, learning: false },
        },
      },
      {
        ifname: "flannel-v6.1",
        flags: [],
        mtu: 1430,
        address: "8a:00:00:00:00:06",
        linkinfo: {
          info_kind: "vxlan",
          info_data: { id: 1, local6: "fd00::1", link: "eth0", port: 8472, gbp: true },
        },
      },
      {},
    ]),
    JSON.stringify([
      { ifname: "eth0", addr_info: [{ family: "inet", local: "192.168.5.1", prefixlen: 24 }] },
      {
        ifname: "flannel.1",
        addr_info: [
          { family: "inet", local: "10.244.1.0", prefixlen: 32, scope: "global" },
          { family: "inet6", local: "fe80::1", prefixlen: 64, scope: "link" },
          {},
        ],
      },
      {},
    ]),
  );
  assert.deepEqual(
    interfaces.map(({ name, kind, up, addresses }) => [name, kind, up, addresses.length]),
    [
      ["eth0", "", true, 1],
      ["flannel.1", "vxlan", true, 2],
      ["flannel-v6.1", "vxlan", false, 0],
    ],
  );
  assert.deepEqual(links, [
    {
      name: "flannel.1",
      mac: "8a:00:00:00:00:01",
      mtu: 1450,
      up: true,
      txQueueLength: 0,
      vni: 1,
      port: 8472,
      local: "192.168.5.1",
      underlay: "eth0",
      learning: false,
      gbp: false,
      addresses: ["10.244.1.0/32"],
    },
    {
      name: "flannel-v6.1",
      mac: "8a:00:00:00:00:06",
      mtu: 1430,
      up: false,
      txQueueLength: 1000,
      vni: 1,
      port: 8472,
      local: "fd00::1",
      underlay: "eth0",
      // Learning is what a device does unless told otherwise.
      learning: true,
      gbp: true,
      addresses: [],
    },
  ]);
});

Deno.test("parseNeighbours(), parseFdb() and parseRoutes() take what is permanent and leads somewhere", () => {
  const neighbours = [
    { dst: "10.244.2.0", dev: "flannel.1", lladdr: "8a:00:00:00:00:02", state: ["PERMANENT"] },
    { dst: "192.168.5.9", dev: "eth0", lladdr: "02:00:00:00:00:09", state: ["REACHABLE"] },
    { dst: "192.168.5.8", dev: "eth0", state: ["FAILED"] },
  ];
  assert.deepEqual(parseNeighbours(JSON.stringify(neighbours)), [
    { link: "flannel.1", address: "10.244.2.0", mac: "8a:00:00:00:00:02" },
  ]);
  const fdb = [
    { mac: "8a:00:00:00:00:02", ifname: "flannel.1", dst: "192.168.5.2", state: "permanent" },
    { mac: "33:33:00:00:00:01", ifname: "eth0", flags: ["self"], state: "permanent" },
    { mac: "8a:00:00:00:00:03", ifname: "flannel.1", dst: "192.168.5.3", state: "" },
  ];
  assert.deepEqual(parseFdb(JSON.stringify(fdb)), [
    { link: "flannel.1", mac: "8a:00:00:00:00:02", endpoint: "192.168.5.2" },
  ]);
  const routes = [
    { dst: "default", gateway: "192.168.5.254", dev: "eth0" },
    {
      dst: "10.244.2.0/24",
      gateway: "10.244.2.0",
      dev: "flannel.1",
      protocol: "201",
      flags: ["onlink"],
    },
    { dst: "10.9.9.9", gateway: "192.168.5.9", dev: "eth0", protocol: "boot", flags: ["linkdown"] },
    { dst: "192.168.5.0/24", dev: "eth0", protocol: "kernel", flags: [] },
    { dst: "10.7.0.0/16", nexthops: [{ gateway: "192.168.5.7" }] },
  ];
  assert.deepEqual(parseRoutes(JSON.stringify(routes)), [
    {
      subnet: "10.244.2.0/24",
      gateway: "10.244.2.0",
      link: "flannel.1",
      onlink: true,
      protocol: "201",
      dead: false,
    },
    {
      subnet: "10.9.9.9/32",
      gateway: "192.168.5.9",
      link: "eth0",
      onlink: false,
      protocol: "boot",
      dead: true,
    },
  ]);
});

Deno.test("an empty answer is an empty list", () => {
  assert.deepEqual(parseRoutes(""), []);
  assert.deepEqual(parseFdb("[]"), []);
});

Deno.test("any text is read as a list or refused with a SyntaxError that names the command", () => {
  const parsers = [
    parseNeighbours,
    parseFdb,
    parseRoutes,
    (text: string) => parseInterfaces(text, "[]"),
  ];
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), fc.constantFrom(...parsers), (text, parse) => {
      try {
        parse(text);
      } catch (error) {
        assert.ok(error instanceof SyntaxError, String(error));
        assert.match(error.message, /"(ip|bridge) -j/);
      }
    }),
  );
});

Deno.test.each([
  { text: "ip utility, iproute2-6.1.0, libbpf 1.1.2", version: "6.1.0", enough: true },
  { text: "ip utility, iproute2-4.19.0", version: "4.19.0", enough: true },
  { text: "ip utility, iproute2-4.18.0", version: "4.18.0", enough: false },
  { text: "ip utility, iproute2-ss190107", version: "190107", enough: true },
  { text: "ip utility, iproute2-ss170905", version: "170905", enough: false },
])("parseIprouteVersion() reads $text", ({ text, version, enough }) => {
  assert.equal(parseIprouteVersion(text), version);
  assert.equal(isRecentEnough(version), enough);
});

Deno.test("parseIprouteVersion() does not take BusyBox for iproute2", () => {
  assert.equal(parseIprouteVersion("BusyBox v1.36.1 multi-call binary."), undefined);
});
