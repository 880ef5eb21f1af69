import type { Logger } from "@logtape/logtape";
import type { Clock } from "../../kernel/clock.ts";
import type { HttpsServer } from "../../platform/https_server.ts";
import type { ProxyMetrics } from "../metrics.ts";
import type { Cloud } from "../upstream/cloud.ts";
import type { Renewals } from "../upstream/renewals.ts";
import type { Identities } from "./identity.ts";
import type { ListenerFiles } from "./listener_files.ts";
import type { LocalTokens } from "./local_tokens.ts";
import { type Rotating, watchRotations } from "./rotation.ts";

/** Everything whose files others may replace while the agent runs. */
export interface RotationParts {
  identities: Identities;
  tokens: LocalTokens;
  uplink: Pick<Cloud, "renewAuthority">;
  renewals: Renewals;
  listenerFiles: ListenerFiles;
  listener: Pick<HttpsServer, "renew">;
  /** An identity has another credential, or has one at last: told before anybody goes on with it. */
  credentialRenewed(): void;
  /** Writes the kubeconfigs of the local clients anew. */
  writeKubeconfigs(): Promise<void>;
}

/** Takes up replaced files until `signal` aborts: within 10 s, and without touching what they don't concern. */
export function startRotations(
  parts: RotationParts,
  ports: { clock: Clock; logger: Logger; metrics: ProxyMetrics },
  signal: AbortSignal,
): Promise<void> {
  const { clock, logger, metrics } = ports;
  return watchRotations({
    clock,
    rotating: rotatingOf(parts, metrics),
    renewed: (name) => {
      metrics.rotations.inc();
      logger.info("took up replaced files", { what: name });
    },
    failed: (name, error, former) => {
      const message = former
        ? "cannot take up files: the former serve on"
        : "cannot take up files: there are no former ones to go on with";
      logger.warn(message, { what: name, error });
    },
  }, signal);
}

function rotatingOf(parts: RotationParts, metrics: ProxyMetrics): Rotating[] {
  const { identities, tokens, uplink, renewals, listenerFiles, listener } = parts;
  const credentials = [...identities.sources()].map(({ key, name, source }): Rotating => {
    /** 0 while its files are not there. */
    let known: number | undefined;
    return {
      name: `credential of ${name}`,
      trouble: () => source.unreadable,
      hasFormer: () => known !== 0,
      async renew() {
        const former = known;
        known ??= 0;
        const { version } = await source.current();
        const renewed = former !== undefined && former !== version;
        known = version;
        if (former !== version) {
          const { expiresAtMs = 0 } = source.status();
          if (expiresAtMs > 0) {
            metrics.credentialExpiry.set({ identity: name }, expiresAtMs / 1_000);
          } else metrics.credentialExpiry.remove({ identity: name });
        }
        // Only what goes on in its name: its connections are made anew with the next request anyway.
        if (renewed) {
          parts.credentialRenewed();
          renewals.renew(key);
        }
        return renewed;
      },
    };
  });
  return [
    ...credentials,
    {
      name: "authority of the API server",
      async renew() {
        const renewed = await uplink.renewAuthority();
        if (!renewed) return false;
        renewals.renewAll();
        return true;
      },
    },
    {
      name: "local tokens",
      async renew() {
        const renewed = await tokens.reload();
        if (renewed) await parts.writeKubeconfigs();
        return renewed;
      },
    },
    {
      name: "certificates of the listener",
      renew: () => listenerFiles.renew((texts) => listener.renew(texts)),
    },
  ];
}
