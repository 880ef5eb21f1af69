import assert from "node:assert/strict";
import { FakeKernel } from "../../tests/testing/fake_kernel.ts";
import type { ExecResult } from "../platform/exec.ts";
import { planSettings } from "./settings.ts";

const said = (stdout: string): ExecResult => ({ code: 0, stdout, stderr: "" });
const FORWARD = "net.ipv4.ip_forward";
const BRIDGE = "net.bridge.bridge-nf-call-iptables";
const RP_FILTER = "net.ipv4.conf.all.rp_filter";
const FORWARD_ON = [["sysctl", "-q", "-w", "net.ipv4.ip_forward=1"]];

/** A host with these settings; undefined: without `sysctl`. */
function hostWith(sysctls: Record<string, string> | undefined): FakeKernel {
  const kernel = new FakeKernel();
  kernel.programs.set("cat", () => said("vxlan 1 0\n"));
  if (sysctls !== undefined) {
    const text = Object.entries(sysctls).map(([name, value]) => `${name} = ${value}\n`).join("");
    kernel.programs.set("sysctl", () => said(text));
  }
  return kernel;
}

Deno.test.each([
  { name: "on what a boot switched off", saved: { [FORWARD]: "1" }, now: { [FORWARD]: "0" } },
  { name: "on what can't be read", saved: { [FORWARD]: "1" }, now: undefined },
])("planSettings() switches $name", async ({ saved, now }) => {
  const planned = await planSettings(hostWith(now), { sysctls: saved, modules: [] });
  assert.deepEqual(planned, FORWARD_ON);
});

Deno.test.each<{ name: string; setting: string; saved: string; now: Record<string, string> }>([
  { name: "is on", setting: FORWARD, saved: "1", now: { [FORWARD]: "1" } },
  // Who switched it on since has a reason.
  { name: "was off", setting: FORWARD, saved: "0", now: { [FORWARD]: "1" } },
  { name: "is on in another way", setting: FORWARD, saved: "1", now: { [FORWARD]: "2" } },
  { name: "pods don't need", setting: RP_FILTER, saved: "1", now: { [RP_FILTER]: "0" } },
  { name: "the kernel does not have", setting: BRIDGE, saved: "1", now: { [FORWARD]: "1" } },
])("planSettings() leaves a setting alone that $name", async ({ setting, saved, now }) => {
  const settings = { sysctls: { [setting]: saved }, modules: ["vxlan"] };
  assert.deepEqual(await planSettings(hostWith(now), settings), []);
});
