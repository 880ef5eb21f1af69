import { errorMessage } from "../../kernel/errors.ts";
import { CNI_CODE, CniError } from "./cni_error.ts";
import { type Call, errorOf, type HostLocalAnswer } from "./host_local.ts";
import { type IpamNetwork, type IpamPorts, lockIpam } from "./ipam_network.ts";

/** Name of a file that is made and removed to see whether that can be done. No address is called so. */
const TRIAL = ".edge-agent-trial";

/**
 * STATUS: whether an ADD could be served: host-local is there and its store can be written.
 *
 * @throws {CniError} 50 when it could not
 */
export async function pluginStatus(
  ports: IpamPorts,
  network: IpamNetwork,
  { hostLocal, request }: Call,
): Promise<HostLocalAnswer> {
  const versions = await hostLocal.versions().catch((error) => {
    throw unavailable("host-local can't be run", error);
  });
  try {
    using _lock = await lockIpam(ports);
    const { dir } = network.store;
    if (!await ports.fs.exists(dir)) await ports.fs.mkdir(dir, 0o755);
    await ports.fs.remove(`${dir}/${TRIAL}`);
    await ports.fs.createExclusive(`${dir}/${TRIAL}`, "x", 0o600);
    await ports.fs.remove(`${dir}/${TRIAL}`);
  } catch (error) {
    throw unavailable("the store of addresses can't be written", error);
  }
  if (!versions.includes("1.1.0")) return { code: 0, stdout: "", stderr: "" };
  const answer = await hostLocal.run("STATUS", request.stdin);
  // One that speaks 1.1 may still know nothing of the command.
  return errorOf(answer).code === CNI_CODE.environment
    ? { code: 0, stdout: "", stderr: answer.stderr }
    : answer;
}

function unavailable(what: string, error: unknown): CniError {
  return new CniError(CNI_CODE.unavailable, what, errorMessage(error), { cause: error });
}
