/**
 * Whether this machine lets us make network namespaces.
 *
 * @module
 */

import { readFile } from "node:fs/promises";
import { run } from "./command.ts";

/** The answer, with the reason where it is no. */
export type NetAdmin = { readonly ok: true } | { readonly ok: false; readonly reason: string };

const CAP_NET_ADMIN = 12n;
const CAP_SYS_ADMIN = 21n;

/** Tells whether the cluster's network can be made here, and why not. */
export async function hasNetAdmin(): Promise<NetAdmin> {
  if (Deno.build.os !== "linux") return no(`network namespaces need Linux, not ${Deno.build.os}`);
  const status = await readFile("/proc/self/status", "utf8");
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  const held = (bit: bigint) => (effective >> bit & 1n) === 1n;
  if (!held(CAP_NET_ADMIN)) return no("CAP_NET_ADMIN is missing: run as root");
  if (!held(CAP_SYS_ADMIN)) return no("CAP_SYS_ADMIN is missing: run as root");
  // Containers may hold the capabilities and still be refused by a seccomp profile.
  const probe = ["unshare", "--net", "--mount", "true"];
  const failure = await run(probe).then(() => undefined, (error: Error) => error.message);
  return failure === undefined ? { ok: true } : no(failure);
}

function no(reason: string): NetAdmin {
  return { ok: false, reason };
}
