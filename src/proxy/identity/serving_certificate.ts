import type { CertPair } from "../../kube/pki.ts";
import type { Fs } from "../../platform/fs.ts";

/** What the TLS listener shows, and what its clients must trust. PEM. */
export interface ServingCertificate extends CertPair {
  ca: string;
}

/**
 * The node's own authority and serving certificate in `pki/`, made on the first start. The authority signs
 * for this node alone: a stolen box must not be able to play the API for the cluster.
 *
 * @param hosts names and addresses that clients connect to; a certificate without one of them is replaced
 */
export async function loadServingCertificate(
  hosts: readonly string[],
  ports: { fs: Fs; stateDir: string },
): Promise<ServingCertificate> {
  const { fs, stateDir } = ports;
  const directory = `${stateDir}/pki`;
  await fs.mkdir(directory, 0o700);
  const hostsPath = `${directory}/serving.hosts`;
  const wanted = [...new Set(hosts)].sort().join("\n") + "\n";
  const ca = await readPair(fs, `${directory}/ca`);
  const serving = ca && await fs.exists(hostsPath) && await fs.readText(hostsPath) === wanted
    ? await readPair(fs, `${directory}/serving`)
    : undefined;
  if (ca !== undefined && serving !== undefined) return { ...serving, ca: ca.cert };
  // Only a first start pays for loading the X.509 library.
  const { createCa, issueServingCert } = await import("../../kube/pki.ts");
  const authority = ca ?? await createCa("edge-agent");
  const issued = await issueServingCert(authority, wanted.trimEnd().split("\n"));
  await writePair(fs, `${directory}/ca`, authority);
  await writePair(fs, `${directory}/serving`, issued);
  await fs.writeAtomic(hostsPath, wanted, 0o600);
  return { ...issued, ca: authority.cert };
}

async function readPair(fs: Fs, base: string): Promise<CertPair | undefined> {
  if (!await fs.exists(`${base}.crt`) || !await fs.exists(`${base}.key`)) return undefined;
  const [cert, key] = await Promise.all([fs.readText(`${base}.crt`), fs.readText(`${base}.key`)]);
  return { cert, key };
}

async function writePair(fs: Fs, base: string, { cert, key }: CertPair): Promise<void> {
  await fs.writeAtomic(`${base}.key`, key, 0o600);
  await fs.writeAtomic(`${base}.crt`, cert, 0o644);
}
