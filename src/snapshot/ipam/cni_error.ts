import { AgentError } from "../../kernel/errors.ts";

/** Error codes of the CNI specification that this plugin uses, and 999, which libcni uses for the rest. */
export const CNI_CODE = {
  version: 1,
  unknownContainer: 3,
  environment: 4,
  io: 5,
  decode: 6,
  config: 7,
  tryAgain: 11,
  unavailable: 50,
  other: 999,
} as const;

/** A failure that the container runtime is told of. */
export class CniError extends AgentError {
  readonly code = "cni";
  constructor(
    readonly cniCode: number,
    message: string,
    /** What would say more to a person. */
    readonly details = "",
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The answer on standard output; `cniVersion` is the config's. */
export function formatCniError(
  { cniCode, message, details }: CniError,
  cniVersion: string,
): string {
  const answer = { cniVersion, code: cniCode, msg: message, ...(details !== "" && { details }) };
  return JSON.stringify(answer) + "\n";
}
