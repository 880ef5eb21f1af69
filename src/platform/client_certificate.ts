import { createPrivateKey, X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { errorMessage, UsageError } from "../kernel/errors.ts";

/** Who a client proved to be by a certificate that the listener's `clientCa` vouches for. */
export interface Peer {
  /** The one CN of the certificate's subject. */
  commonName: string;
}

/** What a TLS listener shows, and whom it knows. PEM texts. */
export interface TlsTexts {
  cert: string;
  key: string;
  /** Authorities of client certificates. Without it nobody is asked for one. */
  clientCa?: string;
}

/**
 * What `node:tls` needs of these texts. It takes any text without a word and then serves nobody, or trusts
 * authorities that nobody named: so they are read here.
 *
 * @throws {UsageError} when they can't be used
 */
export function checkTls({ cert, key, clientCa }: TlsTexts): X509Certificate[] {
  try {
    const fits = new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
    if (!fits) throw new Error("the key belongs to another certificate");
  } catch (cause) {
    throw new UsageError(`Cannot serve TLS with this certificate: ${errorMessage(cause)}`, {
      cause,
    });
  }
  return clientCa === undefined ? [] : parseAuthorities(clientCa);
}

/**
 * The certificates of a PEM bundle.
 *
 * @throws {UsageError} when there is none, or one can't be read
 */
export function parseAuthorities(bundle: string): X509Certificate[] {
  const blocks = bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) {
    throw new UsageError(`Cannot read the authorities: there is no PEM block "CERTIFICATE"`);
  }
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch (cause) {
    const message = `Cannot read the authorities: ${errorMessage(cause)}`;
    throw new UsageError(message, { cause });
  }
}

/** The parts of a connection that tell who is there. */
export type PeerSocket = Pick<
  TLSSocket,
  "authorized" | "getPeerCertificate" | "getPeerX509Certificate" | "isSessionReused"
>;

/**
 * The client of a connection; undefined if it showed no certificate, or one that was not verified: of another
 * authority, expired, not yet valid, or not meant for clients.
 *
 * @param authorities those that are trusted now
 */
export function peerOf(
  socket: PeerSocket,
  authorities: readonly X509Certificate[],
  nowMs: number,
): Peer | undefined {
  if (!socket.authorized || authorities.length === 0) return undefined;
  const { CN: commonName } = socket.getPeerCertificate()?.subject ?? {};
  // With several it would be up to the reader which one counts.
  if (typeof commonName !== "string" || commonName === "") return undefined;
  // A resumed session (RFC 8446 2.2) shows nothing anew, and counts as verified for ever.
  if (socket.isSessionReused()) {
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined || !isGood(certificate, authorities, nowMs)) return undefined;
  }
  return { commonName };
}

/** Whether one of these authorities itself signed the certificate, and it is valid at that time. */
function isGood(
  certificate: X509Certificate,
  authorities: readonly X509Certificate[],
  nowMs: number,
): boolean {
  return Date.parse(certificate.validFrom) <= nowMs && nowMs <= Date.parse(certificate.validTo) &&
    authorities.some((ca) => certificate.checkIssued(ca) && certificate.verify(ca.publicKey));
}
