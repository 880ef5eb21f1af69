import { parse, stringify } from "yaml";
import { UsageError } from "../kernel/errors.ts";
import type { Fs } from "../platform/fs.ts";

/** What the agent takes from the current context of a kubeconfig. Files are read when asked for. */
export interface Kubeconfig {
  server: string;
  /** PEM of the authority; undefined when the file names none. */
  ca(): Promise<string | undefined>;
  /** Files that the credential is in: they may change while the kubeconfig stays as it is. */
  credentialFiles(): string[];
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
  const fileOf = (fields: Fields, key: string): string | undefined => {
    const file = fields[key];
    if (typeof file !== "string" || file === "") return undefined;
    return file.startsWith("/") ? file : `${directory}/${file}`;
  };
  const read = async (fields: Fields, key: string): Promise<string | undefined> => {
    const data = fields[`${key}-data`];
    if (typeof data === "string" && data !== "") {
      try {
        return atob(data);
      } catch {
        throw fail(`its "${key}-data" is not base64`);
      }
    }
    const file = fileOf(fields, key);
    return file === undefined ? undefined : await fs.readText(file);
  };
  const userOf = () => pick(file.users, context.user, "user");
  return {
    server: cluster.server.replace(/\/+$/, ""),
    ca: () => read(cluster, "certificate-authority"),
    credentialFiles() {
      const user = userOf();
      return ["client-certificate", "client-key", "tokenFile"]
        .flatMap((key) => fileOf(user, key) ?? []);
    },
    async credential() {
      const user = userOf();
      const [cert, key] = await Promise.all([
        read(user, "client-certificate"),
        read(user, "client-key"),
      ]);
      if (cert !== undefined && key !== undefined) return { certificate: { cert, key } };
      // As client-go: the file wins, because it may be renewed.
      const tokenFile = fileOf(user, "tokenFile");
      if (tokenFile !== undefined) return { token: (await fs.readText(tokenFile)).trim() };
      if (typeof user.token === "string") return { token: user.token };
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
