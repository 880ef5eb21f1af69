import { parse, stringify } from "yaml";
import { UsageError } from "../kernel/errors.ts";
import type { Fs } from "../platform/fs.ts";

/** What the agent takes from the current context of a kubeconfig. Files are read when asked for. */
export interface Kubeconfig {
  server: string;
  /** PEM of the authority; undefined when the file names none. */
  ca(): Promise<string | undefined>;
  /** @throws {UsageError} for kinds of credentials that the agent can't use (exec, auth-provider, password) */
  credential(): Promise<{ certificate?: { cert: string; key: string }; token?: string }>;
}

interface Named<T> {
  name?: string;
  cluster?: T;
  context?: T;
  user?: T;
}

type Fields = Record<string, unknown>;

/**
 * Reads a kubeconfig (`k8s.io/client-go/tools/clientcmd/api/v1`).
 *
 * @param path where it lies: relative paths inside it start there
 * @throws {UsageError} when it is no kubeconfig with a current context
 */
export function parseKubeconfig(text: string, path: string, fs: Fs): Kubeconfig {
  const fail = (what: string) => new UsageError(`Cannot read the kubeconfig ${path}: ${what}`);
  let file: Fields;
  try {
    file = parse(text) as Fields;
  } catch (error) {
    throw fail(error instanceof Error ? error.message.split("\n")[0]! : "it is not YAML");
  }
  if (file === null || typeof file !== "object") throw fail("it is not a YAML mapping");
  const pick = (list: unknown, name: unknown, field: "cluster" | "context" | "user"): Fields => {
    const entry = ((list ?? []) as Named<Fields>[]).find((each) => each.name === name);
    if (entry === undefined) throw fail(`it has no ${field} named "${name}"`);
    return entry[field] ?? {};
  };
  const context = pick(file.contexts, file["current-context"], "context");
  const cluster = pick(file.clusters, context.cluster, "cluster");
  if (typeof cluster.server !== "string") throw fail(`cluster "${context.cluster}" has no server`);

  const directory = path.replace(/\/[^/]*$/, "");
  const read = async (fields: Fields, key: string): Promise<string | undefined> => {
    const data = fields[`${key}-data`];
    if (typeof data === "string") return atob(data);
    const file = fields[key];
    if (typeof file !== "string") return undefined;
    return await fs.readText(file.startsWith("/") ? file : `${directory}/${file}`);
  };
  return {
    server: cluster.server.replace(/\/+$/, ""),
    ca: () => read(cluster, "certificate-authority"),
    async credential() {
      const user = pick(file.users, context.user, "user");
      const [cert, key] = await Promise.all([
        read(user, "client-certificate"),
        read(user, "client-key"),
      ]);
      if (cert !== undefined && key !== undefined) return { certificate: { cert, key } };
      if (typeof user.token === "string") return { token: user.token };
      if (typeof user.tokenFile === "string") {
        return { token: (await fs.readText(user.tokenFile)).trim() };
      }
      throw fail(
        `user "${context.user}" has no client certificate and no token (exec plugins, auth providers and passwords are not supported)`,
      );
    },
  };
}

/** A kubeconfig for a local client of the agent. */
export function formatKubeconfig(
  options: { server: string; caPem: string; token: string; name: string },
): string {
  const { server, caPem, token, name } = options;
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{
      name: "edge-agent",
      cluster: { server, "certificate-authority-data": btoa(caPem) },
    }],
    users: [{ name, user: { token } }],
    contexts: [{ name: "edge-agent", context: { cluster: "edge-agent", user: name } }],
    "current-context": "edge-agent",
  });
}
