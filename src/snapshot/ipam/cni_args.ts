/** Reads `CNI_ARGS` (`K=V;K2=V2`): what is no pair is left out, of two with one name the later counts. */
export function parseCniArgs(text: string): Map<string, string> {
  const args = new Map<string, string>();
  for (const pair of text.split(";")) {
    const [name, value, ...rest] = pair.split("=");
    if (name && value !== undefined && rest.length === 0) args.set(name, value);
  }
  return args;
}
