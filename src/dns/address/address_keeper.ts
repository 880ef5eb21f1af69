import type { Logger } from "@logtape/logtape";
import { errorMessage, UnavailableError } from "../../kernel/errors.ts";
import type { Exec } from "../../platform/exec.ts";
import {
  addressArguments,
  type DeviceAddresses,
  isMadeFor,
  type LocalAddress,
  LOOPBACK,
  parseDeviceAddresses,
  type Placement,
  placeOf,
} from "./local_address.ts";

/** What an address is kept with. */
export interface AddressPorts {
  exec: Exec;
  logger: Logger;
}

/**
 * Keeps an address on this host: on a dummy device of its own where the kernel has such, else on `lo`. An address
 * that others have set is used as it is.
 */
export class AddressKeeper implements AsyncDisposable {
  readonly #address: LocalAddress;
  readonly #ports: AddressPorts;
  /** The device that it was put on; undefined while others hold it, or nobody does. */
  #device: string | undefined;
  #told = "";

  constructor(address: LocalAddress, ports: AddressPorts) {
    this.#address = address;
    this.#ports = ports;
  }

  /** The device that holds it as far as the keeper put it there. */
  get device(): string | undefined {
    return this.#device;
  }

  /**
   * Puts the address where it should be, unless it is there. May be called at any time.
   *
   * @throws {UnavailableError} when the host refuses
   */
  async ensure(): Promise<void> {
    const placement = await this.#place();
    if (placement.state === "foreign") {
      this.#tell(`on ${placement.device}, by somebody else`);
      this.#device = undefined;
      return;
    }
    if (placement.state === "ours" && placement.up) {
      this.#device = placement.device;
      return;
    }
    const { address, device } = this.#address;
    this.#device = await this.#putOn(device).catch(async (error) => {
      // A kernel without dummy devices: "Unknown device type".
      this.#tell(`on ${LOOPBACK}: ${errorMessage(error)}`);
      return await this.#putOn(LOOPBACK);
    });
    this.#ports.logger.info("address set", { address, device: this.#device });
  }

  /** Takes away what the keeper set. */
  async [Symbol.asyncDispose](): Promise<void> {
    const device = this.#device;
    if (device === undefined) return;
    this.#device = undefined;
    try {
      // Whoever has named a bridge in the config must not lose it.
      const isOwn = (await this.#devices()).some((each) => isMadeFor(this.#address, each));
      await this.#ip(
        device !== LOOPBACK && isOwn
          ? ["link", "delete", "dev", device]
          : addressArguments("delete", this.#address.address, device),
      );
    } catch (error) {
      this.#ports.logger.warn("can not take the address away", { error: errorMessage(error) });
    }
  }

  async #place(): Promise<Placement> {
    return placeOf(this.#address, await this.#devices());
  }

  async #devices(): Promise<DeviceAddresses[]> {
    return parseDeviceAddresses(await this.#ip(["-j", "-d", "address", "show"]));
  }

  async #putOn(device: string): Promise<string> {
    if (device !== LOOPBACK) {
      await this.#ip(["link", "add", "name", device, "type", "dummy"]).catch((error) => {
        // One of an earlier run: it will do.
        if (!/File exists/.test(errorMessage(error))) throw error;
      });
      // It has no carrier of its own; up, its addresses answer.
      await this.#ip(["link", "set", "dev", device, "up"]);
    }
    await this.#ip(addressArguments("replace", this.#address.address, device));
    return device;
  }

  async #ip(args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.#ports.exec.run(["ip", ...args]);
    if (code === 0) return stdout;
    const { address } = this.#address;
    throw new UnavailableError(
      `Cannot keep the address ${address}: "ip ${args.join(" ")}" said ${
        stderr.trim() || `code ${code}`
      }`,
    );
  }

  #tell(what: string): void {
    if (what === this.#told) return;
    this.#told = what;
    this.#ports.logger.info("address is not on a device of its own", {
      address: this.#address.address,
      what,
    });
  }
}
