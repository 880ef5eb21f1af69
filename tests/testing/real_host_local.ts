import { access } from "node:fs/promises";

/** Folders where distributions and installers put CNI plugins. */
const FOLDERS = ["/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni"];

/**
 * The folder of the real host-local: `EDGE_AGENT_CNI_PATH`, or where it usually is. Undefined, with a printed
 * reason, when there is none.
 */
export async function realHostLocal(): Promise<string | undefined> {
  const given = Deno.env.get("EDGE_AGENT_CNI_PATH");
  for (const folder of given === undefined ? FOLDERS : [given]) {
    if (await access(`${folder}/host-local`).then(() => true, () => false)) return folder;
  }
  // deno-lint-ignore no-console -- a test that is skipped must say why
  console.log(
    `No host-local in ${FOLDERS.join(", ")} (Debian: containernetworking-plugins): ` +
      "tests with the real one are skipped",
  );
  return undefined;
}
