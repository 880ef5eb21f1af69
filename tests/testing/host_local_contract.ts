import assert from "node:assert/strict";
import type { Exec } from "../../src/platform/exec.ts";
import type { Fs } from "../../src/platform/fs.ts";

/** A host-local and the disk that it works on. */
export interface HostLocalUnderTest extends AsyncDisposable {
  exec: Exec;
  fs: Fs;
  /** Value for `ipam.dataDir`. */
  dataDir: string;
  /** Folder of the program. */
  cniPath: string;
}

const V4 = [{ subnet: "10.244.1.0/24" }];
const V6 = [{ subnet: "fd00:10::/64" }];

/** What every host-local does that the IPAM plugin builds on. */
export function hostLocalContract(
  name: string,
  open: () => Promise<HostLocalUnderTest>,
  ignore = false,
): void {
  const test = (title: string, body: (subject: Driver) => Promise<void>) =>
    Deno.test({
      name: `${name} ${title}`,
      ignore,
      fn: async () => {
        await using subject = await open();
        await body(new Driver(subject));
      },
    });

  test("gives one address after the other and starts behind the last", async (driver) => {
    assert.deepEqual(await driver.ips("ADD", "a"), ["10.244.1.2/24"]);
    assert.deepEqual(await driver.ips("ADD", "b"), ["10.244.1.3/24"]);
    await driver.ips("DEL", "a");
    assert.deepEqual(await driver.ips("ADD", "c"), ["10.244.1.4/24"]);
  });

  test("keeps a file per address, with the container and its interface", async (driver) => {
    driver.ranges = [V4, V6];
    assert.deepEqual(await driver.ips("ADD", "a"), ["10.244.1.2/24", "fd00:10::2/64"]);
    assert.deepEqual(await driver.store(), {
      "10.244.1.2": "a\r\neth0",
      "fd00:10::2": "a\r\neth0",
      "last_reserved_ip.0": "10.244.1.2",
      "last_reserved_ip.1": "fd00:10::2",
    });
  });

  test("gives what is asked for, of one family or of both", async (driver) => {
    driver.ranges = [V4, V6];
    driver.asked = ["10.244.1.77", "fd00:10::4d"];
    assert.deepEqual(await driver.ips("ADD", "a"), ["10.244.1.77/24", "fd00:10::4d/64"]);
    driver.asked = ["fd00:10::50"];
    assert.deepEqual(await driver.ips("ADD", "b"), ["10.244.1.78/24", "fd00:10::50/64"]);
    driver.ranges = [V4];
    driver.asked = ["10.244.1.9"];
    assert.deepEqual(await driver.ips("ADD", "c"), ["10.244.1.9/24"]);
  });

  test("refuses what somebody has, and keeps nothing of a half allocation", async (driver) => {
    driver.ranges = [V4, V6];
    driver.asked = ["10.244.1.77"];
    await driver.ips("ADD", "a");
    await assert.rejects(driver.ips("ADD", "b"), /is not available in range set/);
    driver.asked = ["10.244.1.78", "fd00:10::2"];
    await assert.rejects(driver.ips("ADD", "c"), /is not available in range set/);
    assert.equal("10.244.1.78" in await driver.store(), false);
  });

  test("refuses a gateway and what is out of its ranges", async (driver) => {
    driver.asked = ["10.244.1.1"];
    await assert.rejects(driver.ips("ADD", "a"), /gateway/);
    driver.asked = ["10.9.9.9"];
    await assert.rejects(driver.ips("ADD", "a"), /all requested IPs/);
    assert.deepEqual(Object.keys(await driver.store()).filter((ip) => ip.startsWith("10.9")), []);
  });

  test("refuses a second ADD of one container", async (driver) => {
    await driver.ips("ADD", "a");
    await assert.rejects(driver.ips("ADD", "a"), /duplicate allocation/);
  });

  test("says when no address is left, also when a hold or an empty file is in the way", async (driver) => {
    driver.ranges = [[{ subnet: "10.244.1.0/29" }]];
    await driver.ips("ADD", "a");
    await driver.put("10.244.1.3", "edge-agent-hold\r\ndefault/web-0");
    await driver.put("10.244.1.4", "");
    await driver.ips("ADD", "b");
    await driver.ips("ADD", "c");
    await assert.rejects(driver.ips("ADD", "d"), /no IP addresses available in range set/);
    await driver.remove("10.244.1.4");
    assert.deepEqual(await driver.ips("ADD", "d"), ["10.244.1.4/29"]);
  });

  test("frees on DEL only what the container has", async (driver) => {
    await driver.ips("ADD", "a");
    await driver.put("10.244.1.9", "b\r\neth0");
    await driver.put("10.244.1.10", "a\r\nnet1");
    await driver.put("10.244.1.11", "edge-agent-hold\r\ndefault/a");
    await driver.ips("DEL", "a");
    await driver.ips("DEL", "a");
    await driver.ips("DEL", "never-seen");
    const { "last_reserved_ip.0": _, ...left } = await driver.store();
    assert.deepEqual(Object.keys(left), ["10.244.1.10", "10.244.1.11", "10.244.1.9"]);
  });

  test("tells on CHECK whether a container has an address", async (driver) => {
    driver.version = "1.0.0";
    await driver.ips("ADD", "a");
    await driver.ips("CHECK", "a");
    await assert.rejects(driver.ips("CHECK", "b"), /Failed to find address/);
  });

  test("does not mind another IPAM plugin's name in its config", async (driver) => {
    driver.type = "edge-agent";
    assert.deepEqual(await driver.ips("ADD", "a"), ["10.244.1.2/24"]);
    await driver.ips("DEL", "a");
  });

  test("waits for its lock", async (driver) => {
    await driver.ips("ADD", "a");
    const { fs, dataDir } = driver.subject;
    const lock = await fs.lock(`${dataDir}/cbr0/lock`, 1_000);
    let ended = false;
    const second = driver.ips("ADD", "b").finally(() => ended = true);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(ended, false);
    lock![Symbol.dispose]();
    assert.deepEqual(await second, ["10.244.1.3/24"]);
  });

  test("tells its versions", async (driver) => {
    const { stdout } = await driver.run("VERSION", "");
    assert.ok(JSON.parse(stdout).supportedVersions.includes("0.3.1"));
  });
}

/** Speaks to a host-local as a plugin does. */
class Driver {
  ranges: unknown[] = [V4];
  asked: string[] = [];
  type = "host-local";
  version = "0.3.1";
  constructor(readonly subject: HostLocalUnderTest) {}

  run(command: string, containerID: string) {
    const { exec, dataDir, cniPath } = this.subject;
    const ipam = { type: this.type, dataDir, ranges: this.ranges };
    const args = this.asked.length > 0 ? { cni: { ips: this.asked } } : undefined;
    const conf = { cniVersion: this.version, name: "cbr0", type: "bridge", ipam, args };
    return exec.run(["host-local"], {
      stdin: JSON.stringify(conf),
      env: {
        CNI_COMMAND: command,
        CNI_CONTAINERID: containerID,
        CNI_NETNS: "/var/run/netns/not-there",
        CNI_IFNAME: "eth0",
        CNI_PATH: cniPath,
        PATH: cniPath,
      },
    });
  }

  /** The addresses in the answer; throws the message of a refusal. */
  async ips(command: string, containerID: string): Promise<string[]> {
    const { code, stdout } = await this.run(command, containerID);
    const answer = stdout === "" ? {} : JSON.parse(stdout);
    if (code !== 0) throw new Error(answer.msg);
    return (answer.ips ?? []).map(({ address }: { address: string }) => address);
  }

  /** Contents of the store by name, without the lock. */
  async store(): Promise<Record<string, string>> {
    const { fs, dataDir } = this.subject;
    const names = (await fs.list(`${dataDir}/cbr0`)).filter((name) => name !== "lock");
    const entries = names.map(async (name) => [name, await fs.readText(`${dataDir}/cbr0/${name}`)]);
    return Object.fromEntries(await Promise.all(entries));
  }

  async put(ip: string, text: string): Promise<void> {
    await this.subject.fs.createExclusive(`${this.subject.dataDir}/cbr0/${ip}`, text, 0o600);
  }

  async remove(ip: string): Promise<void> {
    await this.subject.fs.remove(`${this.subject.dataDir}/cbr0/${ip}`);
  }
}
