import type { Network, Peer, PodRecord, VxlanLink } from "./model.ts";
import { formatOperation } from "./operation.ts";
import { hasChanged, type RestoreReport } from "./restore.ts";
import type { CollectedOrphans } from "./ipam/orphans.ts";
import type { Snapshot } from "./snapshot_file.ts";
import type { UnderlayChange } from "./underlay.ts";

/** A snapshot for a person: what it is, then a table for each part. */
export function formatSnapshotTables(snapshot: Snapshot): string {
  const { node, takenAt, generation, bootId, network } = snapshot;
  const { links, peers, pods } = network;
  const parts = [
    table([
      ["node", node.name],
      ["machine", node.machineId],
      ["taken", takenAt],
      ["generation", String(generation)],
      ["boot", bootId],
      ["pod networks of the node", network.podCidrs.join(", ")],
      ["subnet.env", network.subnetEnv?.trim().replaceAll("\n", "  ") ?? "none"],
      ["configs", network.files.map(({ path }) => path).join(", ")],
    ]),
    titled(`${links.length} devices`, [
      ["NAME", "VNI", "PORT", "MAC", "MTU", "LOCAL", "UNDERLAY", "ADDRESSES"],
      ...links.map(linkRow),
    ]),
    titled(`${peers.length} peers`, [
      ["NODE", "PODS", "BY", "NEXT HOP", "MAC", "VTEP"],
      ...peers.map(peerRow),
    ]),
    titled(`${pods.length} pods`, [
      ["NAMESPACE", "NAME", "NETWORK", "IPS", "CONTAINER"],
      ...pods.map(podRow),
    ]),
    titled("settings", [...Object.entries(network.sysctls), [
      "modules",
      network.modules.join(" "),
    ]]),
  ];
  return parts.join("\n");
}

function linkRow(link: VxlanLink): string[] {
  const { name, vni, port, mac, mtu, local, underlay, addresses } = link;
  return [name, `${vni}`, `${port}`, mac, `${mtu}`, local, underlay, addresses.join(", ")];
}

function peerRow(peer: Peer): string[] {
  const { node = "", subnet, link, gateway } = peer;
  return peer.kind === "vxlan"
    ? [node, subnet, link, gateway, peer.mac, peer.endpoint]
    : [node, subnet, link, gateway, "", ""];
}

function podRow({ namespace, name, network, ips, containerId }: PodRecord): string[] {
  return [namespace, name, network, ips.join(", "), containerId.slice(0, 13)];
}

function titled(title: string, rows: readonly string[][]): string {
  return `${title}\n${table(rows)}`;
}

/** Columns as wide as their widest cell; nothing behind the last. */
function table(rows: readonly string[][]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => widths[i] = Math.max(widths[i] ?? 0, cell.length));
  }
  return rows.map((row) =>
    `  ${row.map((cell, i) => cell.padEnd(widths[i]!)).join("  ")}`.trimEnd() + "\n"
  ).join("");
}

/** What a restore did, for a person. */
export function formatReport(
  report: RestoreReport,
  orphans: CollectedOrphans | { skipped: string },
  network: Network,
): string {
  const { operations, refused, changes, waiting, subnetEnv, settings, complaints, tookMs } = report;
  const lines = [
    operations === 0
      ? `the network is as it was${hasChanged(report) ? "" : ": nothing to do"}`
      : `network put back with ${operations} changes in ${Math.round(tookMs)} ms: ` +
        `${network.links.map(({ name }) => name).join(", ")} and ${network.peers.length} peers`,
    subnetEnv.state === "left"
      ? `subnet.env was not written: ${subnetEnv.why}`
      : `subnet.env: ${subnetEnv.state}`,
    ...changes.map(formatChange),
    ...waiting.map((why) => `left for later, by "edge-agent run": ${why}`),
    ...refused.map(({ operation, why }) => `refused: ${formatOperation(operation)}: ${why}`),
    ...settings.map((command) => `set: ${command}`),
    ...complaints.map((text) => `not set: ${text}`),
  ];
  return lines.map((line) => line + "\n").join("") + formatOrphans(orphans);
}

/** What became of addresses that lost pods left behind, in a line. */
export function formatOrphans(orphans: CollectedOrphans | { skipped: string }): string {
  return "skipped" in orphans
    ? `addresses of lost pods: left alone, ${orphans.skipped}\n`
    : `addresses of lost pods: ${orphans.freed} freed, ${orphans.held} held for their pods\n`;
}

/** How the host has changed since the snapshot, in a sentence. */
export function formatChange(change: UnderlayChange): string {
  switch (change.change) {
    case "renamed":
      return `the network card ${change.from} is called ${change.to} now`;
    case "readdressed":
      return `this node had ${change.from} and has ${change.to} now: ` +
        "the other nodes learn it when the cloud is back";
    default:
      return change satisfies never;
  }
}
