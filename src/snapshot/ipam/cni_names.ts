/** Rules for names that become parts of paths (CNI specification and libcni's `pkg/utils`). */
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.\-]*$/;

/** Longest name of a file, bytes. */
const NAME_MAX = 255;

/** Whether a text may be a container ID. */
export function isContainerId(text: string): boolean {
  return NAME.test(text) && text.length <= NAME_MAX;
}

/** Whether a text may be the name of a network. */
export function isNetworkName(text: string): boolean {
  return NAME.test(text) && text.length <= NAME_MAX;
}

/** Whether Linux takes a text as the name of an interface (`dev_valid_name`). */
export function isInterfaceName(text: string): boolean {
  return /^[^/:\s\0]{1,15}$/.test(text) && text !== "." && text !== "..";
}
