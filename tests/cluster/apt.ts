/**
 * The system tools that the harness runs, installed from Debian where they are missing.
 *
 * @module
 */

import { access, constants } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./command.ts";

/** Program to Debian package. */
const TOOLS = {
  ip: "iproute2",
  iptables: "iptables",
  nft: "nftables",
  nice: "coreutils",
  openssl: "openssl",
  ss: "iproute2",
  tc: "iproute2",
} as const;

/** Installs the tools of the cloud and its network. */
export async function ensureTools(): Promise<void> {
  await installTools(TOOLS);
}

/**
 * Installs the packages of the tools, by name or path, that are not there; throws naming them when it
 * cannot.
 */
export async function installTools(tools: Readonly<Record<string, string>>): Promise<void> {
  const before = await missingOf(tools);
  if (before.length === 0) return;
  const packages = [...new Set(before.map((tool) => tools[tool]!))];
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  // Another run may be installing too: wait for it instead of failing on its lock.
  const apt = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=120"];
  try {
    await run([...apt, "update"], { env, timeoutMs: 300_000 });
    await run([...apt, "install", "-y", "--no-install-recommends", ...packages], {
      env,
      timeoutMs: 300_000,
    });
  } catch (cause) {
    throw new Error(
      `Cannot install ${packages.join(", ")} for ${before.join(", ")}: install them by hand`,
      { cause },
    );
  }
  const after = await missingOf(tools);
  if (after.length > 0) {
    throw new Error(
      `Cannot find ${after.join(", ")} after installing ${packages.join(", ")}: ` +
        `PATH is ${Deno.env.get("PATH")}`,
    );
  }
}

async function missingOf(tools: Readonly<Record<string, string>>): Promise<string[]> {
  const names = Object.keys(tools);
  const found = await Promise.all(names.map(isThere));
  return names.filter((_, index) => !found[index]);
}

async function isThere(program: string): Promise<boolean> {
  const folders = program.startsWith("/") ? ["/"] : (Deno.env.get("PATH") ?? "").split(":");
  for (const folder of folders) {
    const path = join(folder, program);
    if (await access(path, constants.X_OK).then(() => true, () => false)) return true;
  }
  return false;
}
