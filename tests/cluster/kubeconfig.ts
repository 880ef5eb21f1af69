/**
 * Kubeconfig files with a client certificate.
 *
 * @module
 */

import { readFile, writeFile } from "node:fs/promises";
import type { CertFiles } from "./certs.ts";

/** Who talks to which server. */
export interface KubeconfigOptions {
  readonly path: string;
  readonly server: string;
  readonly caFile: string;
  readonly user: string;
  readonly certFiles: CertFiles;
}

/** Writes a kubeconfig with everything embedded, so it can be copied; returns its path. */
export async function writeKubeconfig(options: KubeconfigOptions): Promise<string> {
  const { path, server, user, certFiles } = options;
  const base64 = (file: string) => readFile(file, "base64");
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{
      name: "cloud",
      cluster: { server, "certificate-authority-data": await base64(options.caFile) },
    }],
    users: [{
      name: user,
      user: {
        "client-certificate-data": await base64(certFiles.cert),
        "client-key-data": await base64(certFiles.key),
      },
    }],
    contexts: [{ name: "cloud", context: { cluster: "cloud", user, namespace: "default" } }],
    "current-context": "cloud",
  };
  // JSON is YAML.
  await writeFile(path, JSON.stringify(config, null, 2), { mode: 0o600 });
  return path;
}
