import assert from "node:assert/strict";
import { getLogger } from "@logtape/logtape";
import type { Exec, ExecResult } from "../../platform/exec.ts";
import { AddressKeeper } from "./address_keeper.ts";
import { parseDeviceAddresses } from "./local_address.ts";

const ADDRESS = { address: "169.254.20.10", device: "edge-dns" };
const logger = getLogger(["edge-agent", "test"]);

interface FakeDevice {
  up: boolean;
  addresses: Set<string>;
  /** Of addresses, where they have other ones than the device's name. */
  labels?: Map<string, string>;
  kind?: string;
}

/** A host's devices and their addresses, and `ip` for them. */
class FakeDevices implements Exec {
  readonly devices = new Map<string, FakeDevice>([
    ["lo", { up: true, addresses: new Set(["127.0.0.1"]) }],
  ]);
  readonly changes: string[] = [];
  canDummy = true;

  run([, ...args]: readonly string[]): Promise<ExecResult> {
    const said = (stdout: string): ExecResult => ({ code: 0, stdout, stderr: "" });
    const refused = (stderr: string): ExecResult => ({ code: 2, stdout: "", stderr });
    return Promise.try(() => {
      if (args.includes("show")) {
        return said(
          JSON.stringify([...this.devices].map(([ifname, { up, addresses, labels, kind }]) => ({
            ifname,
            ...(kind !== undefined && args.includes("-d") && { linkinfo: { info_kind: kind } }),
            flags: up ? ["UP"] : [],
            addr_info: [...addresses].map((local) => ({
              local,
              ...(!local.includes(":") && { label: labels?.get(local) ?? ifname }),
            })),
          }))),
        );
      }
      this.changes.push(args.join(" "));
      const device = args[args.indexOf("dev") + 1] ?? "";
      const found = this.devices.get(device);
      const address = args[2]!.split("/")[0]!;
      switch (`${args[0]} ${args[1]}`) {
        case "link add": {
          if (!this.canDummy) return refused("Error: Unknown device type.");
          if (this.devices.has(args[3]!)) return refused("RTNETLINK answers: File exists");
          this.devices.set(args[3]!, { up: false, addresses: new Set(), kind: "dummy" });
          return said("");
        }
        case "link set":
          found!.up = true;
          return said("");
        case "link delete":
          return this.devices.delete(device) ? said("") : refused("Cannot find device");
        case "address replace":
          // The label of an address that is there already stays.
          if (!found!.addresses.has(address) && args.includes("label")) {
            found!.labels = new Map([[address, args[args.indexOf("label") + 1]!]]);
          }
          found!.addresses.add(address);
          return said("");
        case "address delete":
          return found!.addresses.delete(address) ? said("") : refused("Cannot assign");
        default:
          throw new Error(args.join(" "));
      }
    });
  }

  // deno-lint-ignore require-yield -- nothing is followed here
  async *lines(): AsyncIterable<string> {
    await Promise.resolve();
  }
}

Deno.test("AddressKeeper makes a device for the address and takes both away again", async () => {
  const host = new FakeDevices();
  {
    await using keeper = new AddressKeeper(ADDRESS, { exec: host, logger });
    await keeper.ensure();
    assert.deepEqual([...host.devices.get("edge-dns")!.addresses], [ADDRESS.address]);
    const done = host.changes.length;
    await keeper.ensure();
    assert.equal(host.changes.length, done);
  }
  assert.deepEqual([...host.devices.keys()], ["lo"]);
});

Deno.test("S45 AddressKeeper uses lo where the kernel has no dummy devices", async () => {
  const host = new FakeDevices();
  host.canDummy = false;
  {
    await using keeper = new AddressKeeper(ADDRESS, { exec: host, logger });
    await keeper.ensure();
    assert.equal(keeper.device, "lo");
    assert.ok(host.devices.get("lo")!.addresses.has(ADDRESS.address));
  }
  assert.deepEqual([...host.devices.get("lo")!.addresses], ["127.0.0.1"]);
});

Deno.test("AddressKeeper puts back what somebody took away", async () => {
  const host = new FakeDevices();
  await using keeper = new AddressKeeper(ADDRESS, { exec: host, logger });
  await keeper.ensure();
  host.devices.get("edge-dns")!.addresses.clear();
  await keeper.ensure();
  assert.ok(host.devices.get("edge-dns")!.addresses.has(ADDRESS.address));
  host.devices.get("edge-dns")!.up = false;
  await keeper.ensure();
  assert.ok(host.devices.get("edge-dns")!.up);
  host.devices.delete("edge-dns");
  await keeper.ensure();
  assert.ok(host.devices.get("edge-dns")!.addresses.has(ADDRESS.address));
});

Deno.test.each([
  { name: "a device", canDummy: true },
  { name: "an address on lo", canDummy: false },
])("AddressKeeper takes over $name that a killed agent left", async ({ canDummy }) => {
  const host = new FakeDevices();
  host.canDummy = canDummy;
  const killed = new AddressKeeper(ADDRESS, { exec: host, logger });
  await killed.ensure();
  host.devices.get("edge-dns")?.addresses.add("fe80::1");
  const done = host.changes.length;
  {
    await using keeper = new AddressKeeper(ADDRESS, { exec: host, logger });
    await keeper.ensure();
    assert.equal(keeper.device, killed.device);
    assert.equal(host.changes.length, done);
  }
  assert.equal(host.devices.has("edge-dns"), false);
  assert.deepEqual([...host.devices.get("lo")!.addresses], ["127.0.0.1"]);
});

Deno.test.each([
  { device: "nodelocaldns", kind: "dummy" },
  { device: "lo", kind: undefined },
  // Whoever has made it, under the very name in the config.
  { device: "edge-dns", kind: "bridge" },
])(
  "AddressKeeper leaves an address alone that somebody else has set on $device",
  async ({ device, kind }) => {
    const host = new FakeDevices();
    host.devices.set(device, { up: true, addresses: new Set([ADDRESS.address]), kind });
    {
      await using keeper = new AddressKeeper(ADDRESS, { exec: host, logger });
      await keeper.ensure();
      assert.equal(keeper.device, undefined);
    }
    assert.deepEqual(host.changes, []);
  },
);

Deno.test.each([
  { name: "a bridge", kind: "bridge", others: [] },
  { name: "a dummy device with other addresses", kind: "dummy", others: ["10.96.0.1"] },
])("AddressKeeper leaves $name on the host that it was told to use", async ({ kind, others }) => {
  const host = new FakeDevices();
  host.devices.set("edge-dns", { up: true, addresses: new Set(others), kind });
  {
    await using keeper = new AddressKeeper(ADDRESS, { exec: host, logger });
    await keeper.ensure();
    assert.ok(host.devices.get("edge-dns")!.addresses.has(ADDRESS.address));
  }
  assert.deepEqual([...host.devices.get("edge-dns")?.addresses ?? ["gone"]], others);
});

Deno.test("AddressKeeper says what the host refused", async () => {
  const host = new FakeDevices();
  host.run = () => Promise.resolve({ code: 2, stdout: "", stderr: "Operation not permitted\n" });
  await using keeper = new AddressKeeper(ADDRESS, { exec: host, logger });
  await assert.rejects(
    keeper.ensure(),
    /169\.254\.20\.10: "ip -j -d address show" said Operation not/,
  );
});

Deno.test.each(["{", '{"a":1}', '[{"flags":7}]'])(
  "parseDeviceAddresses() refuses %s",
  (text) => {
    assert.throws(() => parseDeviceAddresses(text), SyntaxError);
  },
);
