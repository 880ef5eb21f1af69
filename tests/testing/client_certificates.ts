// tsyringe, which x509 builds on, refuses to load without this polyfill before it.
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import type { CertPair } from "../../src/kube/pki.ts";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** What a client certificate says; by default it is a good one of the node `edge-1`. */
export interface ClientCertificateOptions {
  /** As x509 takes it: one CN, several, or none. */
  subject?: x509.JsonName;
  notBefore?: Date;
  notAfter?: Date;
  /** Default `client`. `any`: it does not say. */
  usage?: "client" | "server" | "any";
}

/** The name of the node in a certificate. */
export const NODE_NAME = "system:node:edge-1";

/** Issues a client certificate. */
export async function issueClientCert(
  ca: CertPair,
  options: ClientCertificateOptions = {},
): Promise<CertPair> {
  const { subject = [{ O: ["system:nodes"] }, { CN: [NODE_NAME] }], usage = "client" } = options;
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const der = x509.PemConverter.decodeFirst(ca.key);
  const { ExtendedKeyUsage: { clientAuth, serverAuth } } = x509;
  const certificate = await x509.X509CertificateGenerator.create({
    subject,
    issuer: new x509.X509Certificate(ca.cert).subjectName,
    serialNumber: "41" + crypto.randomUUID().replaceAll("-", "").slice(2),
    notBefore: options.notBefore ?? new Date("2020-01-01T00:00:00Z"),
    notAfter: options.notAfter ?? new Date("2090-01-01T00:00:00Z"),
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    signingKey: await crypto.subtle.importKey("pkcs8", der, ALGORITHM, false, ["sign"]),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      ...(usage === "any"
        ? []
        : [new x509.ExtendedKeyUsageExtension([usage === "client" ? clientAuth : serverAuth])]),
    ],
  });
  const key = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  return {
    cert: `${certificate.toString("pem")}\n`,
    key: `${x509.PemConverter.encode(key, x509.PemConverter.PrivateKeyTag)}\n`,
  };
}
