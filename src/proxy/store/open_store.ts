import type { Logger } from "@logtape/logtape";
import type { Clock } from "../../kernel/clock.ts";
import type { Fs } from "../../platform/fs.ts";
import type { ProxyConfig } from "../config.ts";
import { loadSealSecret } from "./seal_secret.ts";
import { StateStore } from "./state_store.ts";
import type { StoreMetrics } from "./store_metrics.ts";

/** What the store is opened with. */
export interface OpenStorePorts {
  clock: Clock;
  fs: Fs;
  logger: Logger;
  stateDir: string;
  /** `$CREDENTIALS_DIRECTORY`, if systemd passed one. */
  credentialsDir?: string;
}

/** Opens the state store, and tells the log and the metrics what happens to it. Never fails. */
export async function openStore(
  { maxBytes }: ProxyConfig["store"],
  ports: OpenStorePorts,
  metrics: StoreMetrics,
): Promise<StateStore> {
  const { fs, clock, stateDir, logger } = ports;
  const path = fs.resolve(`${stateDir}/state.db`);
  const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));
  const { secret, from, problem } = await loadSealSecret({ ...ports, random });
  if (problem !== undefined) {
    const message = "the key that seals Secrets is not the one to be expected";
    logger.warn(message, { problem, from });
  }
  return await StateStore.open({ path, secret, maxBytes }, clock, {
    setAside: ({ path: aside, reason, scopes, answers }) => {
      metrics.setAside.inc();
      const message = "the state file was set aside; what still adds up was carried over";
      logger.error(message, { path, aside, reason, scopes, answers });
    },
    unreadable: (rows) => {
      metrics.unreadable.inc(rows);
      const message = "Secrets and tokens were sealed with another key: they are fetched anew";
      logger.error(message, { path, rows });
    },
    unavailable: (error) => {
      metrics.failures.inc();
      const message = "the state file can not be opened: changes stay in memory, and will be lost";
      logger.error(message, { path, error });
    },
    writeFailed: (error) => {
      metrics.failures.inc();
      logger.error("cannot write the state file: changes stay in memory", { path, error });
    },
    writeRecovered: () => logger.info("the state file is written again", { path }),
  });
}
