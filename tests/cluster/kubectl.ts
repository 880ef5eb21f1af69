/**
 * kubectl, kept away from the home directory of whoever runs the tests.
 *
 * @module
 */

import { mkdir } from "node:fs/promises";
import { type CommandResult, run } from "./command.ts";
import type { ClientRelease } from "./components.ts";

/** How kubectl is to run. */
export interface KubectlOptions {
  /** Which kubectl; default the cluster's own. */
  readonly release?: ClientRelease;
  /** Path of the kubeconfig; default the administrator's, over the link. */
  readonly kubeconfig?: string;
  readonly stdin?: string;
  /** Return a non-zero code instead of throwing. */
  readonly allowFailure?: boolean;
  /** Set on top of our own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Folder for discovery and HTTP caches; a fresh one forces discovery. Default one per cluster. */
  readonly cacheDir?: string;
  /** kubectl is killed after this time; default 60 s. */
  readonly timeoutMs?: number;
}

/** Runs kubectl in the caller's network namespace. */
export async function runKubectl(
  program: string,
  home: string,
  args: readonly string[],
  options: KubectlOptions & { readonly kubeconfig: string },
): Promise<CommandResult> {
  const { kubeconfig, cacheDir = `${home}/cache`, stdin, allowFailure, timeoutMs } = options;
  await mkdir(home, { recursive: true });
  // The flags go first: what follows a `--` among the arguments is not kubectl's.
  return await run([program, `--kubeconfig=${kubeconfig}`, `--cache-dir=${cacheDir}`, ...args], {
    env: { HOME: home, KUBECONFIG: "", KUBECTL_KUBERC: "false", ...options.env },
    stdin,
    allowFailure,
    timeoutMs,
  });
}
