/**
 * What every scenario of this folder stands on: one real cloud per file, and for each test a namespace
 * of its own, proxies that end with it and a link that is whole again afterwards.
 *
 * @module
 */

import { startTestProxy, type TestProxy } from "../../testing/test_proxy.ts";
import {
  type Cluster,
  type ClusterOptions,
  hasNetAdmin,
  type NetAdmin,
  startCluster,
} from "../cluster.ts";
import { forgetLog, keepLog } from "./agent_log.ts";

/** Far more than anything takes on a busy machine: the scenarios judge what happens first, not how fast. */
export const PATIENCE_MS = 30_000;

/** `fetch` of a path as somebody, by some way: a proxy's or a cluster's. */
export type FetchPath = (path: string, init?: RequestInit) => Promise<Response>;

/** The parts of an object that the scenarios look at. */
export interface KubeObject {
  readonly kind?: string;
  readonly apiVersion?: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly labels?: Record<string, string>;
    readonly annotations?: Record<string, string>;
    readonly continue?: string;
    readonly remainingItemCount?: number;
  };
  readonly data?: Record<string, string>;
  readonly items?: KubeObject[];
  readonly rows?: { cells: unknown[]; object: KubeObject }[];
  readonly columnDefinitions?: { name: string }[];
  readonly code?: number;
  readonly reason?: string;
}

/** What may differ between the clouds of two files. */
export interface CloudOptions {
  /** Runs once, when the cloud stands. */
  prepare?(cluster: Cluster): Promise<void>;
  /** Run the controller manager too; default false. */
  controllerManager?: boolean;
  /** Whether this machine has what the tests need; default what a cloud needs. */
  needs?(): Promise<NetAdmin>;
  /**
   * Off where the tests restart a process of the cloud: it began before the test and ends in it, or the
   * other way round.
   */
  sanitize?: boolean;
  /** Put behind our own arguments of the cloud's processes. */
  extraArguments?: ClusterOptions["extraArguments"];
}

/** Starts a cloud before the first test of a file and returns what registers its tests. */
export async function shareCloud(
  {
    prepare,
    controllerManager = false,
    needs = hasNetAdmin,
    sanitize = true,
    extraArguments,
  }: CloudOptions = {},
): Promise<(name: string, body: (site: Site) => Promise<void>) => void> {
  const netAdmin = await needs();
  if (!netAdmin.ok) note(`ignored: ${netAdmin.reason}`);
  let cluster: Cluster;
  let count = 0;
  Deno.test.beforeAll(async () => {
    if (!netAdmin.ok) return;
    await keepLog();
    // Without the controller manager it is there in 2 s, and nobody but the test changes anything.
    cluster = await startCluster({ controllerManager, extraArguments });
    await prepare?.(cluster);
  });
  Deno.test.afterAll(async () => await cluster?.[Symbol.asyncDispose]());
  return (name, body) =>
    Deno.test({
      name,
      ignore: !netAdmin.ok,
      sanitizeOps: sanitize,
      sanitizeResources: sanitize,
      async fn() {
        forgetLog();
        await using site = await Site.open(cluster, `scenario-${++count}`);
        await body(site);
      },
    });
}

/** One test's place: everything that it starts ends with it. */
export class Site implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly namespace: string;
  readonly #stack: AsyncDisposableStack;

  private constructor(cluster: Cluster, namespace: string, stack: AsyncDisposableStack) {
    this.cluster = cluster;
    this.namespace = namespace;
    this.#stack = stack;
  }

  /** Creates the namespace. */
  static async open(cluster: Cluster, namespace: string): Promise<Site> {
    await using stack = new AsyncDisposableStack();
    // Last of all, so that everything else has to end without a link, if the test left it so.
    stack.defer(() => cluster.link.restore());
    const site = new Site(cluster, namespace, stack.move());
    await site.cloud("/api/v1/namespaces", {
      method: "POST",
      body: JSON.stringify({ metadata: { name: namespace } }),
    });
    return site;
  }

  /** Something that ends with the test. */
  use<T extends Disposable | AsyncDisposable>(resource: T): T {
    return this.#stack.use(resource);
  }

  /** An empty directory for as long as the test runs. */
  async directory(): Promise<string> {
    const path = await Deno.makeTempDir({ prefix: "edge-agent-scenario-" });
    this.#stack.defer(() => Deno.remove(path, { recursive: true }));
    return path;
  }

  /** The administrator's identity as a proxy is configured with it. */
  get admin(): Record<string, string> {
    const { cert, key } = this.cluster.certFiles.admin;
    return { name: "admin", certFile: cert, keyFile: key };
  }

  /** A proxy to the cloud over the link, with the administrator's identity unless told otherwise. */
  async proxy(
    section: Record<string, unknown> = {},
    options: { stateDir?: string } = {},
  ): Promise<TestProxy> {
    const { server, caFile } = this.cluster;
    const upstream = { server, caFile };
    return this.use(
      await startTestProxy({ upstream, identities: [this.admin], ...section }, options),
    );
  }

  /** By the back door, which works whatever the link does. */
  readonly direct: FetchPath = (path, init) => {
    const headers = new Headers(init?.headers);
    if (!headers.has("content-type")) headers.set("content-type", "application/json");
    return this.cluster.fetch(path, { ...init, via: "backdoor", headers });
  };

  /** The same, decoded; throws when the answer is no. */
  async cloud<T = KubeObject>(path: string, init?: RequestInit): Promise<T> {
    const response = await this.direct(path, init);
    const body = await response.text();
    if (response.ok) return JSON.parse(body);
    throw new Error(`${init?.method ?? "GET"} ${path} was answered ${response.status}: ${body}`);
  }

  /** Path of a core collection in the test's namespace, or of one of its objects. */
  path(resource: string, name?: string): string {
    const collection = `/api/v1/namespaces/${this.namespace}/${resource}`;
    return name === undefined ? collection : `${collection}/${name}`;
  }

  /** Creates a ConfigMap in the cloud by the back door. */
  async create(name: string, more: Record<string, unknown> = {}): Promise<KubeObject> {
    const metadata = { name, labels: more.labels };
    return await this.cloud(this.path("configmaps"), {
      method: "POST",
      body: JSON.stringify({ metadata, data: more.data ?? { text: name } }),
    });
  }

  /** Creates many of them. */
  async createMany(names: readonly string[], more?: Record<string, unknown>): Promise<void> {
    for (let at = 0; at < names.length; at += 50) {
      await Promise.all(names.slice(at, at + 50).map((name) => this.create(name, more)));
    }
  }

  /** Changes a ConfigMap in the cloud by the back door. */
  async patch(name: string, change: Record<string, unknown>): Promise<KubeObject> {
    return await this.cloud(this.path("configmaps", name), {
      method: "PATCH",
      headers: { "content-type": "application/merge-patch+json" },
      body: JSON.stringify(change),
    });
  }

  /** Deletes a ConfigMap in the cloud by the back door. */
  async remove(name: string): Promise<void> {
    await this.cloud(this.path("configmaps", name), { method: "DELETE" });
  }

  /** LISTs of a resource that the cloud has answered so far, by its own count. */
  async upstreamLists(resource: string): Promise<number> {
    const text = await (await this.direct("/metrics")).text();
    return text.split("\n")
      .filter((line) =>
        line.startsWith("apiserver_request_total{") && line.includes('verb="LIST"') &&
        line.includes(`resource="${resource}"`) &&
        // By name: the API server's own informers.
        !line.includes('scope="resource"')
      )
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** Prints a figure of a test. */
export function note(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`    ${text}\n`));
}
