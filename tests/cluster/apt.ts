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
  nice: "coreutils",
  openssl: "openssl",
  ss: "iproute2",
  tc: "iproute2",
} as const;

/** Installs the packages of the tools that are not on PATH; throws naming them when it cannot. */
export async function ensureTools(): Promise<void> {
  const before = await missingTools();
  if (before.length === 0) return;
  const packages = [...new Set(before.map((tool) => TOOLS[tool]))];
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
  const after = await missingTools();
  if (after.length > 0) {
    throw new Error(
      `Cannot find ${after.join(", ")} after installing ${packages.join(", ")}: ` +
        `PATH is ${Deno.env.get("PATH")}`,
    );
  }
}

async function missingTools(): Promise<(keyof typeof TOOLS)[]> {
  const tools = Object.keys(TOOLS) as (keyof typeof TOOLS)[];
  const found = await Promise.all(tools.map(isOnPath));
  return tools.filter((_, index) => !found[index]);
}

async function isOnPath(program: string): Promise<boolean> {
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    const path = join(folder, program);
    if (await access(path, constants.X_OK).then(() => true, () => false)) return true;
  }
  return false;
}
