import assert from "node:assert/strict";
import { ask, pod, zoneOf } from "../../../tests/testing/dns_cluster.ts";
import type { ZoneOptions } from "./zone_options.ts";

const PODS = {
  namespaces: ["podns", "other"],
  pods: [
    pod("podns", "foo", "10.240.0.1"),
    pod("podns", "six", "fd00::a"),
    pod("podns", "done", "10.240.0.9", "Succeeded"),
  ],
};

interface Row {
  pods: ZoneOptions["pods"];
  ask: string;
  want: string;
}

Deno.test.each([
  { pods: "disabled", ask: "10-240-0-1.podns A", want: "NXDOMAIN" },
  { pods: "disabled", ask: "172-0-0-2.podns A", want: "NXDOMAIN" },
  { pods: "disabled", ask: "podns A", want: "NXDOMAIN" },
  { pods: "insecure", ask: "10-240-0-1.podns A", want: "10.240.0.1" },
  { pods: "insecure", ask: "172-0-0-2.podns A", want: "172.0.0.2" },
  { pods: "insecure", ask: "172-0-0-2.podns AAAA", want: "NODATA" },
  { pods: "insecure", ask: "fd00--1.podns AAAA", want: "fd00::1" },
  { pods: "insecure", ask: "1-2-3-4-5-6-7-8.podns AAAA", want: "1:2:3:4:5:6:7:8" },
  { pods: "insecure", ask: "blah.podns A", want: "NXDOMAIN" },
  { pods: "insecure", ask: "blah.podns AAAA", want: "NXDOMAIN" },
  { pods: "insecure", ask: "blah.podns HINFO", want: "NXDOMAIN" },
  { pods: "insecure", ask: "1-2-3-4.podns HINFO", want: "NODATA" },
  { pods: "insecure", ask: "1-2-3-400.podns A", want: "NXDOMAIN" },
  { pods: "insecure", ask: "blah.pod-nons A", want: "NXDOMAIN" },
  { pods: "insecure", ask: "10-240-0-1.pod-nons A", want: "NXDOMAIN" },
  { pods: "insecure", ask: "podns A", want: "NODATA" },
  { pods: "insecure", ask: "web.10-240-0-1.podns A", want: "10.240.0.1" },
  { pods: "insecure", ask: "a.b.c.10-240-0-1.podns A", want: "NXDOMAIN" },
  { pods: "verified", ask: "10-240-0-1.podns A", want: "10.240.0.1" },
  { pods: "verified", ask: "fd00--a.podns AAAA", want: "fd00::a" },
  { pods: "verified", ask: "10-240-0-1.other A", want: "NXDOMAIN" },
  { pods: "verified", ask: "10-240-0-9.podns A", want: "NXDOMAIN" },
  { pods: "verified", ask: "172-0-0-2.podns A", want: "NXDOMAIN" },
  { pods: "verified", ask: "podns A", want: "NODATA" },
  { pods: "verified", ask: "pod-nons A", want: "NXDOMAIN" },
] as Row[])("S40 pods $pods: $ask is $want", ({ pods, ask: question, want }) => {
  const [name, type] = question.split(" ");
  const got = ask(zoneOf(PODS, { pods }), `${name}.pod.cluster.local ${type}`);
  assert.equal(got.answers[0]?.split(" ").at(-1) ?? got.outcome, want);
});

Deno.test("S40 a pod that is not found is SERVFAIL until the node's pods were listed", () => {
  const zone = zoneOf({ namespaces: ["podns"] }, { pods: "verified" });
  const question = "10-240-0-1.podns.pod.cluster.local A";
  assert.equal(ask(zone, question).outcome, "SERVFAIL");
  zone.replace("pod", new Map());
  assert.equal(ask(zone, question).outcome, "NXDOMAIN");
});
