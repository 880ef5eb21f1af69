// tsyringe, which x509 builds on, refuses to load without this polyfill before it.
import "reflect-metadata";
import * as x509 from "@peculiar/x509";

/** A certificate and its private key (PKCS #8), as PEM. */
export interface CertPair {
  cert: string;
  key: string;
}

/**
 * The validity of everything issued here. These certificates never leave the machine, and a node whose
 * clock is years off after a flat battery must still trust its own agent: so it covers any clock that may be
 * met, instead of beginning at the time of issue.
 */
const NOT_BEFORE = new Date("2000-01-01T00:00:00Z");
const NOT_AFTER = new Date("2099-12-31T23:59:59Z");

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** Makes a certificate authority of ECDSA P-256. */
export async function createCa(commonName: string): Promise<CertPair> {
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [commonName] }],
    serialNumber: serialNumber(),
    notBefore: NOT_BEFORE,
    notAfter: NOT_AFTER,
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      // Path length 0: it signs servers, not further authorities.
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return await toPair(certificate, keys.privateKey);
}

/**
 * Issues a TLS server certificate for DNS names and IP addresses.
 * @throws {SyntaxError} when the authority's PEM texts can't be read.
 */
export async function issueServingCert(
  ca: CertPair,
  subjectAltNames: readonly string[],
): Promise<CertPair> {
  const { certificate: issuer, privateKey: signingKey } = await parseCa(ca);
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const names = subjectAltNames.map((value): x509.JsonGeneralName => ({
    type: isIpAddress(value) ? "ip" : "dns",
    value,
  }));
  const certificate = await x509.X509CertificateGenerator.create({
    subject: [{ CN: [subjectAltNames[0] ?? "edge-agent"] }],
    issuer: issuer.subjectName,
    serialNumber: serialNumber(),
    notBefore: NOT_BEFORE,
    notAfter: NOT_AFTER,
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    signingKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(names),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return await toPair(certificate, keys.privateKey);
}

async function parseCa(
  { cert, key }: CertPair,
): Promise<{ certificate: x509.X509Certificate; privateKey: CryptoKey }> {
  try {
    const der = x509.PemConverter.decodeFirst(key);
    return {
      certificate: new x509.X509Certificate(cert),
      privateKey: await crypto.subtle.importKey("pkcs8", der, ALGORITHM, false, ["sign"]),
    };
  } catch (cause) {
    throw new SyntaxError(
      "Cannot read the CA: its certificate or its PKCS #8 key is not valid PEM",
      { cause },
    );
  }
}

async function toPair(certificate: x509.X509Certificate, privateKey: CryptoKey): Promise<CertPair> {
  const der = await crypto.subtle.exportKey("pkcs8", privateKey);
  return {
    cert: `${certificate.toString("pem")}\n`,
    key: `${x509.PemConverter.encode(der, x509.PemConverter.PrivateKeyTag)}\n`,
  };
}

/** 126 random bits after a leading 01, so positive and of one length, as hex (RFC 5280 4.1.2.2). */
function serialNumber(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[0] = bytes[0]! & 0x7f | 0x40;
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function isIpAddress(name: string): boolean {
  return name.includes(":") || /^\d+\.\d+\.\d+\.\d+$/.test(name);
}
