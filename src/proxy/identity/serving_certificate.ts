import { createPrivateKey, X509Certificate } from "node:crypto";
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
 * What it signs is valid from 2000 to 2099 (`kube/pki.ts`): no clock makes that due. A certificate of its
 * that ends sooner is replaced when two thirds of its life are over; one of another authority is left to
 * whoever put it there.
 *
 * @param hosts names and addresses that clients connect to; a certificate without one of them is replaced,
 * as is one whose key does not fit
 */
export async function loadServingCertificate(
  hosts: readonly string[],
  ports: { fs: Fs; stateDir: string; now: () => number },
): Promise<ServingCertificate> {
  const { fs, stateDir, now } = ports;
  const directory = `${stateDir}/pki`;
  await fs.mkdir(directory, 0o700);
  const hostsPath = `${directory}/serving.hosts`;
  const wanted = [...new Set(hosts)].sort().join("\n") + "\n";
  const ca = await readPair(fs, `${directory}/ca`);
  const serving = ca && await fs.exists(hostsPath) && await fs.readText(hostsPath) === wanted
    ? await readPair(fs, `${directory}/serving`)
    : undefined;
  if (ca !== undefined && serving !== undefined && isUsable(serving, ca.cert, now())) {
    return { ...serving, ca: ca.cert };
  }
  // Only a first start pays for loading the X.509 library.
  const { createCa, issueServingCert } = await import("../../kube/pki.ts");
  const authority = ca ?? await createCa("edge-agent");
  const issued = await issueServingCert(authority, wanted.trimEnd().split("\n"));
  await writePair(fs, `${directory}/ca`, authority);
  await writePair(fs, `${directory}/serving`, issued);
  await fs.writeAtomic(hostsPath, wanted, 0o600);
  return { ...issued, ca: authority.cert };
}

/** The files of the certificate and its key. */
export function servingFiles(stateDir: string): { cert: string; key: string } {
  return { cert: `${stateDir}/pki/serving.crt`, key: `${stateDir}/pki/serving.key` };
}

/** Less than what is issued here, and more than anybody else issues. */
const UNENDING_MS = 50 * 365 * 24 * 3_600_000;

function isUsable({ cert, key }: CertPair, ca: string, nowMs: number): boolean {
  try {
    const certificate = new X509Certificate(cert);
    if (!certificate.checkPrivateKey(createPrivateKey(key))) return false;
    if (!certificate.checkIssued(new X509Certificate(ca))) return true;
    const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
    return to - from > UNENDING_MS || nowMs < from + (to - from) * 2 / 3;
  } catch {
    // Not PEM at all.
    return false;
  }
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
