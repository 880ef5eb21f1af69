import assert from "node:assert/strict";
import { flannelLink, networkOf } from "../../tests/testing/flannel_network.ts";
import type { RestoreReport } from "./restore.ts";
import { formatReport } from "./show.ts";

const NOTHING: RestoreReport = {
  operations: 0,
  refused: [],
  changes: [],
  waiting: [],
  subnetEnv: { state: "present" },
  settings: [],
  complaints: [],
  tookMs: 12.3,
};

Deno.test.each<{ name: string; report: RestoreReport; want: string[] }>([
  {
    name: "nothing",
    report: NOTHING,
    want: ["the network is as it was: nothing to do", "subnet.env: present"],
  },
  {
    name: "settings alone",
    report: { ...NOTHING, settings: ["sysctl -q -w net.ipv4.ip_forward=1"] },
    want: [
      "the network is as it was",
      "subnet.env: present",
      "set: sysctl -q -w net.ipv4.ip_forward=1",
    ],
  },
  {
    name: "a network, and a module that is not to be had",
    report: { ...NOTHING, operations: 4, complaints: ["modprobe br_netfilter: not found"] },
    want: [
      "network put back with 4 changes in 12 ms: flannel.1 and 0 peers",
      "subnet.env: present",
      "not set: modprobe br_netfilter: not found",
    ],
  },
])("formatReport() tells of $name", ({ report, want }) => {
  const text = formatReport(report, { skipped: "x" }, networkOf({ links: [flannelLink()] }));
  assert.deepEqual(text.trimEnd().split("\n").slice(0, -1), want);
});
