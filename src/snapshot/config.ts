import * as z from "zod/mini";
import { Duration, FilePath } from "../config/scalars.ts";

/** Below, a busy node would do little else. */
const MIN_INTERVAL_MS = 1_000;

const Interval = Duration.check(z.refine((ms) => ms >= MIN_INTERVAL_MS, "must be at least 1s"));

/** The `snapshot` section. */
export const SnapshotConfig = z.strictObject({
  /** `metadata.name` of this node's Node; the host name unless set. */
  nodeName: z.optional(z.string().check(z.minLength(1))),
  /**
   * How often everything is looked at, whether or not anything was seen to change, and how often pods alone are
   * written at most.
   */
  interval: z.prefault(Interval, "5m"),
  /** How often the network is made sure of while the link is down: others may undo it. */
  verifyInterval: z.prefault(Interval, "30s"),
  /** How long a change may have company before it is looked at. */
  debounce: z.prefault(Duration, "1s"),
  /**
   * How long a restore waits for the network cards to be as they were. Then they are taken as they are: under
   * another name, with another address.
   */
  underlayWait: z.prefault(Duration, "10s"),
  /**
   * A kubeconfig that may list Nodes: peers that are gone are then told from peers that are not there yet. Unless
   * set, that of the proxy's identity `flannel`.
   */
  nodesKubeconfig: z.optional(FilePath),
  /**
   * A kubeconfig that may list the pods of this node: addresses of deleted pods are then free at once. Unless
   * set, that of the proxy's identity `kubelet`.
   */
  podsKubeconfig: z.optional(FilePath),
  /**
   * `/status` of the agent whose proxy knows whether the cloud can be reached, where that is another process:
   * `http://127.0.0.1:51004/status`.
   */
  linkStatus: z.optional(
    z.url({ protocol: /^http$/, error: "must be a URL like http://127.0.0.1:51004/status" }),
  ),
  /** Pods get the addresses back that they had. */
  ipam: z.prefault(
    z.strictObject({
      /** Puts a CNI config before flannel's that differs only in its IPAM plugin: this agent. */
      sticky: z.prefault(z.boolean(), true),
      /** Where the container runtime looks for CNI configs. */
      confDir: z.prefault(FilePath, "/etc/cni/net.d"),
      /** Where it looks for CNI plugins. */
      binDir: z.prefault(FilePath, "/opt/cni/bin"),
      /** How long the address of a pod that does not come back is held for it. */
      holdTtl: z.prefault(Interval, "7d"),
    }),
    {},
  ),
});
export type SnapshotConfig = z.output<typeof SnapshotConfig>;
