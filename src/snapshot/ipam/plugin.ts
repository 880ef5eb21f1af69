import { errorMessage } from "../../kernel/errors.ts";
import type { Exec } from "../../platform/exec.ts";
import { add } from "./add.ts";
import { CNI_CODE, CniError, formatCniError } from "./cni_error.ts";
import { del } from "./del.ts";
import { type FormerPods, savedPods } from "./former_pods.ts";
import { gc } from "./gc.ts";
import { type Call, HostLocal, type HostLocalAnswer } from "./host_local.ts";
import { IpamNetwork, type IpamPorts } from "./ipam_network.ts";
import { objectOf, parseJson, textOf } from "./loose_json.ts";
import { parseCommand, parseRequest } from "./plugin_request.ts";
import { pluginStatus } from "./plugin_status.ts";

/** Versions of the CNI specification that this plugin speaks; results pass through, so the oldest cost nothing. */
const VERSIONS = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

/** What an error says when the config does not tell its version. */
const DEFAULT_VERSION = "1.0.0";

/** Longest network config, bytes. */
export const MAX_INPUT_BYTES: number = 2 ** 20;

/** What the plugin needs of the node. */
export interface PluginPorts extends IpamPorts {
  readonly exec: Exec;
  /** Who had which address when the network was saved; by default, read from that file. */
  readonly former?: FormerPods;
}

/**
 * One call of the CNI IPAM plugin, which hands on to host-local. Never throws: what fails is an answer.
 *
 * @param env the process environment
 * @param input standard input; undefined when it was too long
 */
export async function runPlugin(
  ports: PluginPorts,
  env: Readonly<Record<string, string>>,
  input: Uint8Array | undefined,
): Promise<HostLocalAnswer> {
  const logged: string[] = [];
  const stdin = new TextDecoder().decode(input);
  const cniVersion = textOf(objectOf(parseJson(stdin)).cniVersion) || DEFAULT_VERSION;
  try {
    if (input === undefined) {
      throw new CniError(CNI_CODE.decode, `network config longer than ${MAX_INPUT_BYTES} bytes`);
    }
    const answer = await dispatch(ports, env, stdin, (message) => logged.push(message));
    return { ...answer, stderr: toLog(logged) + answer.stderr };
  } catch (error) {
    const known = error instanceof CniError
      ? error
      : new CniError(CNI_CODE.io, errorMessage(error), "edge-agent's IPAM plugin");
    return { code: 1, stdout: formatCniError(known, cniVersion), stderr: toLog(logged) };
  }
}

async function dispatch(
  ports: PluginPorts,
  env: Readonly<Record<string, string>>,
  stdin: string,
  log: Call["log"],
): Promise<HostLocalAnswer> {
  if (parseCommand(env) === "VERSION") return await version(new HostLocal(ports.exec, env), stdin);
  const request = parseRequest(env, stdin);
  const { command, cniVersion } = request;
  if (cniVersion !== "" && command !== "DEL" && !VERSIONS.includes(cniVersion)) {
    throw new CniError(
      CNI_CODE.version,
      `incompatible CNI version ${JSON.stringify(cniVersion)}`,
      `supported: ${VERSIONS.join(", ")}`,
    );
  }
  const hostLocal = new HostLocal(ports.exec, request.env);
  const network = new IpamNetwork(ports, request.network, request.dataDir);
  const call: Call = { request, hostLocal, log };
  switch (command) {
    case "ADD":
      return await add(
        ports,
        network,
        call,
        ports.former ?? savedPods(ports.fs, ports.paths.snapshot),
      );
    case "DEL":
      return await del(ports, network, call);
    case "CHECK":
      return await hostLocal.run("CHECK", stdin);
    case "GC":
      return await gc(ports, network, call);
    case "STATUS":
      return await pluginStatus(ports, network, call);
    case "VERSION":
      return await version(hostLocal, stdin);
    default:
      return command satisfies never;
  }
}

/** What both speak; of a host-local that is not there, what this one does. */
async function version(hostLocal: HostLocal, stdin: string): Promise<HostLocalAnswer> {
  const spoken = await hostLocal.versions();
  const supportedVersions = VERSIONS.filter((version) => spoken.includes(version));
  const cniVersion = textOf(objectOf(parseJson(stdin)).cniVersion) ||
    (supportedVersions.at(-1) ?? DEFAULT_VERSION);
  return { code: 0, stdout: JSON.stringify({ cniVersion, supportedVersions }) + "\n", stderr: "" };
}

function toLog(lines: readonly string[]): string {
  return lines.map((line) => `edge-agent: ${line}\n`).join("");
}
