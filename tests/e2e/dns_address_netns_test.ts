import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { getLogger } from "@logtape/logtape";
import { AddressKeeper } from "../../src/dns/address/address_keeper.ts";
import { createExec, type Exec } from "../../src/platform/exec.ts";
import { hasNetAdmin } from "../cluster/net_admin.ts";

const ADDRESS = { address: "169.254.20.10", device: "edge-dns" };
const logger = getLogger(["edge-agent", "test"]);

const admin = await hasNetAdmin();
if (!admin.ok) {
  Deno.stderr.writeSync(
    new TextEncoder().encode(`skipped: addresses on a real kernel: ${admin.reason}\n`),
  );
}

/** A network namespace with nothing but `lo`. */
class Namespace implements AsyncDisposable {
  readonly #name = `ea-dns-${randomBytes(3).toString("hex")}`;
  readonly #host = createExec();
  /** Runs programs inside. */
  readonly exec: Exec = {
    run: (argv) => this.#host.run(["ip", "netns", "exec", this.#name, ...argv]),
    lines: (argv, signal) => this.#host.lines(argv, signal),
  };

  static async create(): Promise<Namespace> {
    const namespace = new Namespace();
    await namespace.#host.run(["ip", "netns", "add", namespace.#name]);
    await namespace.ip("link set dev lo up");
    return namespace;
  }

  async ip(args: string): Promise<string> {
    const { code, stdout, stderr } = await this.exec.run(["ip", ...args.split(" ")]);
    assert.equal(code, 0, `ip ${args}: ${stderr}`);
    return stdout;
  }

  /** The device that has the address. */
  async holder(): Promise<string | undefined> {
    const devices = JSON.parse(await this.ip("-j address show")) as {
      ifname: string;
      addr_info: { local: string }[];
    }[];
    return devices.find(({ addr_info: all }) => all.some(({ local }) => local === ADDRESS.address))
      ?.ifname;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#host.run(["ip", "netns", "delete", this.#name]);
  }
}

Deno.test({
  name: "AddressKeeper takes away what an agent has set, and nothing else, from a real kernel",
  ignore: !admin.ok,
  async fn() {
    await using host = await Namespace.create();
    const { exec } = host;
    const killed = new AddressKeeper(ADDRESS, { exec, logger });
    await killed.ensure();
    assert.equal(await host.holder(), killed.device);
    {
      await using next = new AddressKeeper(ADDRESS, { exec, logger });
      await next.ensure();
      assert.equal(next.device, killed.device);
    }
    assert.equal(await host.holder(), undefined);

    await host.ip(`address add ${ADDRESS.address}/32 dev lo`);
    {
      await using other = new AddressKeeper(ADDRESS, { exec, logger });
      await other.ensure();
      assert.equal(other.device, undefined);
    }
    assert.equal(await host.holder(), "lo");
    // Set by somebody else in place of ours: the one who had set it does not take that away.
    await killed[Symbol.asyncDispose]();
    assert.equal(await host.holder(), "lo");
  },
});
