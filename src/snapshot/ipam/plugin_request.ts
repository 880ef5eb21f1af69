import { parseCniArgs } from "./cni_args.ts";
import { CNI_CODE, CniError } from "./cni_error.ts";
import { parseRanges, type RangeSet } from "./ip_ranges.ts";
import { arrayOf, isObject, type JsonObject, objectOf, parseJson, textOf } from "./loose_json.ts";
import { isContainerId, isInterfaceName, isNetworkName } from "./cni_names.ts";
import { type PodKey, toPodKey } from "./pod_key.ts";

/** What a plugin can be asked for. */
export type CniCommand = "ADD" | "DEL" | "CHECK" | "GC" | "STATUS" | "VERSION";

/** One call of the plugin. */
export interface PluginRequest {
  readonly command: CniCommand;
  /** Empty for GC, STATUS and VERSION, as is `ifName`. */
  readonly containerID: string;
  readonly ifName: string;
  /** Path of the network namespace; empty on a DEL after a reboot. */
  readonly netns: string;
  readonly pod?: PodKey;
  /** Tells a pod from its namesake before it. */
  readonly uid?: string;
  readonly cniVersion: string;
  readonly network: string;
  /** Where host-local keeps the networks' folders, if not where it does by default. */
  readonly dataDir?: string;
  readonly ranges: readonly RangeSet[];
  /** Addresses that somebody else asks for. */
  readonly askedIps: readonly string[];
  readonly conf: JsonObject;
  /** The config as it came. */
  readonly stdin: string;
  /** All `CNI_*` variables. */
  readonly env: Readonly<Record<string, string>>;
}

/** Variables that each command needs (CNI specification, section 2). */
const NEEDS: Readonly<Record<CniCommand, readonly string[]>> = {
  ADD: ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"],
  CHECK: ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"],
  DEL: ["CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"],
  GC: ["CNI_PATH"],
  STATUS: ["CNI_PATH"],
  VERSION: [],
};

/** The command that the environment names. Throws a {@linkcode CniError} for any other. */
export function parseCommand(env: Readonly<Record<string, string>>): CniCommand {
  const command = env.CNI_COMMAND ?? "";
  if (Object.hasOwn(NEEDS, command)) return command as CniCommand;
  throw new CniError(CNI_CODE.environment, `unknown CNI_COMMAND: ${JSON.stringify(command)}`);
}

/**
 * Reads a call out of the environment and standard input. Nothing of it goes into a path before it was
 * held against the specification's own rules here.
 *
 * @throws {CniError} when variables are missing or wrong, or the config is
 */
export function parseRequest(
  variables: Readonly<Record<string, string>>,
  stdin: string,
): PluginRequest {
  const command = parseCommand(variables);
  const env = Object.fromEntries(
    Object.entries(variables).filter(([name]) => name.startsWith("CNI_")),
  );
  const missing = NEEDS[command].filter((name) => (env[name] ?? "") === "");
  if (missing.length > 0) {
    throw new CniError(
      CNI_CODE.environment,
      `required env variables [${missing.join(",")}] missing`,
    );
  }
  const needsContainer = NEEDS[command].includes("CNI_CONTAINERID");
  const containerID = needsContainer ? env.CNI_CONTAINERID! : "";
  const ifName = needsContainer ? env.CNI_IFNAME! : "";
  if (needsContainer && !isContainerId(containerID)) {
    throw new CniError(CNI_CODE.environment, "invalid characters in CNI_CONTAINERID", containerID);
  }
  if (needsContainer && !isInterfaceName(ifName)) {
    throw new CniError(CNI_CODE.environment, "CNI_IFNAME is no name of an interface", ifName);
  }
  const conf = command === "VERSION" ? { name: "version" } : parseConf(stdin);
  const network = networkOf(conf);
  const dataDir = dataDirOf(conf);
  const args = parseCniArgs(env.CNI_ARGS ?? "");
  const uid = args.get("K8S_POD_UID");
  return {
    command,
    containerID,
    ifName,
    netns: env.CNI_NETNS ?? "",
    pod: toPodKey(args.get("K8S_POD_NAMESPACE"), args.get("K8S_POD_NAME")),
    ...(uid && { uid }),
    cniVersion: textOf(conf.cniVersion) ?? "",
    network,
    ...(dataDir && { dataDir }),
    ranges: parseRanges(conf),
    askedIps: askedIps(conf, args),
    conf,
    stdin,
    env,
  };
}

function parseConf(stdin: string): JsonObject {
  const conf = parseJson(stdin);
  if (isObject(conf)) return conf;
  throw new CniError(CNI_CODE.decode, "the network config on standard input is no JSON object");
}

function networkOf({ name }: JsonObject): string {
  if (typeof name !== "string" || name === "") {
    throw new CniError(CNI_CODE.config, "missing network name");
  }
  if (!isNetworkName(name)) {
    throw new CniError(CNI_CODE.config, "invalid characters found in network name", name);
  }
  return name;
}

function dataDirOf(conf: JsonObject): string | undefined {
  const dir = textOf(objectOf(conf.ipam).dataDir) ?? "";
  if (dir === "") return undefined;
  if (!dir.startsWith("/")) {
    throw new CniError(CNI_CODE.config, "ipam.dataDir must be an absolute path", dir);
  }
  return dir.replace(/\/+$/, "");
}

/** The three ways to ask host-local for addresses. */
function askedIps(conf: JsonObject, args: ReadonlyMap<string, string>): string[] {
  const single = args.get("IP");
  return [
    ...(single ? [single] : []),
    ...arrayOf(objectOf(objectOf(conf.args).cni).ips),
    ...arrayOf(objectOf(conf.runtimeConfig).ips),
  ].map((ip) => String(ip).split("/")[0]!);
}

/** The config with addresses to ask for, in the form that host-local takes for one and for two families. */
export function withIps(conf: JsonObject, ips: readonly string[]): string {
  const args = objectOf(conf.args);
  return JSON.stringify({ ...conf, args: { ...args, cni: { ...objectOf(args.cni), ips } } });
}
