/**
 * The real kube-apiserver's own account of who asked what.
 *
 * @module
 */

/** One request, as the API server's audit log has it. */
export interface AuditEntry {
  readonly verb: string;
  readonly requestURI: string;
  readonly user: { readonly username: string };
  /** Time of arrival. */
  readonly requestReceivedTimestamp: string;
}

/** A folder with an audit log, and the arguments that make the API server write it. */
export class AuditLog implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Makes the folder with a policy that notes each request for some resources when it arrives. */
  static async create(resources: readonly string[] = ["configmaps"]): Promise<AuditLog> {
    const folder = await Deno.makeTempDir({ prefix: "edge-agent-audit-" });
    const policy = {
      apiVersion: "audit.k8s.io/v1",
      kind: "Policy",
      omitStages: ["ResponseStarted", "ResponseComplete", "Panic"],
      rules: [{ level: "Metadata", resources: [{ group: "", resources }] }],
    };
    await Deno.writeTextFile(`${folder}/policy.json`, JSON.stringify(policy));
    return new AuditLog(folder);
  }

  /** For kube-apiserver. */
  get arguments(): string[] {
    return [
      `--audit-policy-file=${this.#folder}/policy.json`,
      `--audit-log-path=${this.#folder}/audit.log`,
    ];
  }

  /** The requests for a path so far. */
  async of(path: string): Promise<AuditEntry[]> {
    const text = await Deno.readTextFile(`${this.#folder}/audit.log`);
    return text.split("\n").filter((line) => line !== "").map((line): AuditEntry =>
      JSON.parse(line)
    ).filter(({ requestURI }) => requestURI.startsWith(path));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#folder, { recursive: true });
  }
}
