import * as z from "zod/mini";
import { FilePath, HostPort } from "../config/scalars.ts";
import { ProxyConfig } from "../proxy/config.ts";
import { LOG_LEVELS } from "../telemetry/logger.ts";
import { SnapshotConfig } from "../snapshot/config.ts";
import { DnsConfig } from "../dns/config.ts";
import { checkProxy } from "./proxy_checks.ts";
import { checkLocalDns } from "./dns_checks.ts";

/**
 * The whole configuration. A module is enabled by its section being there; each module's own file says
 * what is in it.
 */
export const AgentConfig = z.strictObject({
  /** Made with mode 0700 when missing. */
  stateDir: z.prefault(FilePath, "/var/lib/edge-agent"),
  log: z.prefault(
    z.strictObject({
      level: z.prefault(z.enum(LOG_LEVELS), "info"),
      /** "auto" is text on a terminal and JSON lines elsewhere. */
      format: z.prefault(z.enum(["auto", "json", "text"]), "auto"),
    }),
    {},
  ),
  /** Health, metrics and status for this host: plain HTTP without credentials. */
  admin: z.prefault(
    z.strictObject({ listen: z.prefault(HostPort, "127.0.0.1:51004") }),
    {},
  ),
  proxy: z.optional(ProxyConfig.check(z.superRefine(checkProxy, { when: () => true }))),
  snapshot: z.optional(SnapshotConfig),
  dns: z.optional(DnsConfig),
}).check(z.superRefine(checkLocalDns));
export type AgentConfig = z.output<typeof AgentConfig>;

/** The sections that are modules, in the order of their start. */
export const MODULES = ["proxy", "snapshot", "dns"] as const;
export type ModuleName = typeof MODULES[number];
