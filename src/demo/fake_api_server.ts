import { type Context, Hono } from "hono";
import { type Clock, systemClock } from "../kernel/clock.ts";
import type { ClientConnection } from "../platform/http_front.ts";
import { serveHttps } from "../platform/https_server.ts";
import { type HttpServer, serveHttp } from "../platform/net.ts";
import { authenticate, authorize } from "./fake_access.ts";
import { FakeAudit } from "./fake_audit.ts";
import { discoveryResponse, VERSION } from "./fake_discovery.ts";
import { FakeFaults, faultResponse, gone, spoil } from "./fake_faults.ts";
import { bodyOf, json, JSON_TYPE } from "./fake_http.ts";
import { listBody } from "./fake_list.ts";
import { isInServedGroup, nameOf, type RequestTarget, targetOf } from "./fake_requests.ts";
import { type FakeResource, findResource, type KubeObject, RESOURCES } from "./fake_resources.ts";
import { failure, noSuchResource, statusResponse } from "./fake_status.ts";
import { type Backup, FakeStore } from "./fake_store.ts";
import { renderObject, viewOf } from "./fake_views.ts";
import { FakeWatch } from "./fake_watch.ts";
import { patch, post, put, remove, toStatusError } from "./fake_writes.ts";

/** How a fake is started. */
export interface FakeApiServerOptions {
  /** PEM texts; without them plain HTTP. */
  tls?: { cert: string; key: string };
  /** Bearer token -> user name. */
  tokens?: Record<string, string>;
  /** Time between bookmarks, ms. Default 60,000. */
  bookmarkIntervalMs?: number;
  hostname?: string;
  /** Default: any free one. */
  port?: number;
  clock?: Clock;
  /** The first change gets the next one. Default 1,000. */
  firstResourceVersion?: number;
  /** Events kept for watches to resume from. Default 10,000. */
  maxEvents?: number;
  /** Of another fake, whose cluster this one serves too. */
  store?: FakeStore;
  /** Served beside {@linkcode RESOURCES}. */
  resources?: FakeResource[];
  /** Adds routes of a test; they come before all others. */
  routes?: (app: Hono) => void;
}

/** A small model of a kube-apiserver with its etcd, over JSON; held to the real one's contract suite. */
export class FakeApiServer implements AsyncDisposable {
  readonly store: FakeStore;
  readonly audit: FakeAudit;
  readonly faults = new FakeFaults();
  readonly #options: FakeApiServerOptions;
  readonly #clock: Clock;
  readonly #resources: readonly FakeResource[];
  readonly #app = new Hono();
  readonly #watches = new Set<FakeWatch>();
  #muted = false;
  #stop = new AbortController();
  #server: HttpServer | undefined;

  /** Starts one with the namespaces that every cluster has. */
  static async start(options: FakeApiServerOptions = {}): Promise<FakeApiServer> {
    const fake = new FakeApiServer(options);
    fake.#server = await fake.#listen(options.port ?? 0);
    return fake;
  }

  private constructor(options: FakeApiServerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#resources = [...RESOURCES, ...options.resources ?? []];
    this.store = options.store ?? new FakeStore(this.#clock, options);
    this.audit = new FakeAudit(this.#clock);
    for (const name of ["default", "kube-node-lease", "kube-public", "kube-system"]) {
      if (options.store) break;
      this.create("namespaces", {
        metadata: { name, labels: { "kubernetes.io/metadata.name": name } },
        spec: { finalizers: ["kubernetes"] },
        status: { phase: "Active" },
      });
    }
    options.routes?.(this.#app);
    this.#addRoutes();
  }

  get hostname(): string {
    return this.#server?.hostname ?? "";
  }

  get port(): number {
    return this.#server?.port ?? 0;
  }

  get url(): string {
    return `${this.#options.tls ? "https" : "http"}://${this.hostname}:${this.port}`;
  }

  /** Watch streams that are open now. */
  get openWatches(): number {
    return this.#watches.size;
  }

  /** Creates an object; `resource` is `pods` or `leases.coordination.k8s.io`, the namespace in its metadata. */
  create(resource: string, object: KubeObject): KubeObject {
    const found = this.resource(resource);
    return this.store.create(found, namespaceOf(found, object.metadata), object);
  }

  /** Replaces an object, or changes the stored one with a function. */
  update(
    resource: string,
    key: { namespace?: string; name: string },
    change: (object: KubeObject) => KubeObject,
  ): KubeObject {
    const found = this.resource(resource);
    const namespace = namespaceOf(found, key);
    return this.store.update(found, namespace, change(this.store.get(found, namespace, key.name)));
  }

  /** Deletes an object for good. */
  delete(resource: string, key: { namespace?: string; name: string }): KubeObject {
    const found = this.resource(resource);
    return this.store.delete(found, namespaceOf(found, key), key.name);
  }

  /** Forgets all past events, so that watches from before now get 410. */
  compact(): void {
    this.store.compact();
  }

  /** While muted, watch streams stay open and silent; afterwards they send what they owe. */
  muteWatches(muted: boolean): void {
    this.#muted = muted;
    if (!muted) { for (const watch of this.#watches) watch.flush(); }
  }

  /** Cuts all connections and listens again on the same port, on older data if a backup is given. */
  async restart(options: { backup?: Backup } = {}): Promise<void> {
    const { port } = this;
    await this.#close();
    this.#stop = new AbortController();
    if (options.backup) this.store.restore(options.backup);
    this.#server = await this.#listen(port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }

  /** The resource that a name like `pods` or `leases.coordination.k8s.io` means. */
  resource(name: string): FakeResource {
    return findResource(this.#resources, name);
  }

  async #close(): Promise<void> {
    this.#stop.abort();
    await this.#server?.[Symbol.asyncDispose]();
  }

  #listen(port: number): Promise<HttpServer> {
    const { hostname = "127.0.0.1", tls } = this.#options;
    const handle = this.#handle.bind(this);
    return tls === undefined
      ? Promise.resolve(serveHttp({ hostname, port }, (request) => handle(request)))
      : serveHttps({ hostname, port, tls }, handle);
  }

  async #handle(request: Request, connection?: ClientConnection): Promise<Response> {
    const url = new URL(request.url);
    const target = targetOf(this.#resources, request.method, url);
    const user = authenticate(request.headers, this.#options.tokens ?? {});
    const entry = this.audit.add({
      method: request.method,
      url: url.pathname + url.search,
      verb: target.kind === "resource" ? target.verb : "nonresource",
      resource: nameOf(target),
      user: user ?? "",
      userAgent: request.headers.get("user-agent") ?? "",
    });
    const fault = this.faults.take(entry);
    if (fault?.kind === "hang") await gone(request.signal, this.#stop.signal);
    const response = faultResponse(fault) ?? authorize(user, target, url, request.method) ??
      await this.#app.fetch(request, { connection });
    entry.code = response.status;
    if (fault?.kind !== "middlebox") response.headers.set("audit-id", entry.id);
    if (response.body === null) return response;
    const body = spoil(response.body, fault, entry, this.#clock, this.#stop.signal);
    return new Response(body, response);
  }

  #addRoutes(): void {
    const app = this.#app;
    const health = ["/healthz", "/livez", "/readyz"].flatMap((path) => [path, `${path}/*`]);
    app.on("GET", health, (c) => c.text("ok"));
    app.get("/version", (c) => c.text(`${JSON.stringify(VERSION, null, 2)}`, 200, JSON_TYPE));
    app.all("*", async (c) => {
      const url = new URL(c.req.url);
      const target = targetOf(this.#resources, c.req.method, url);
      if (target.kind === "resource") return await this.#resourceResponse(c, target, url);
      const discovery = await discoveryResponse(this.#resources, url.pathname, c.req.raw.headers);
      if (discovery !== undefined) return discovery;
      if (isInServedGroup(this.#resources, url.pathname)) throw noSuchResource();
      return c.text("404 page not found\n", 404);
    });
    app.onError((error) => statusResponse(toStatusError(error)));
  }

  async #resourceResponse(
    c: Context,
    target: RequestTarget & { kind: "resource" },
    { searchParams: query }: URL,
  ): Promise<Response> {
    const { verb, resource, namespace, name } = target;
    const { store } = this;
    const view = viewOf(c.req.header("accept") ?? null, query);
    const about = { store, clock: this.#clock, resource, namespace, query, view };
    const write = { store, resource, namespace, name, body: await bodyOf(c.req.raw) };
    const one = (object: KubeObject) =>
      json(c, renderObject(view, resource, object, this.#clock.now()));
    switch (verb) {
      case "list":
        return json(c, await listBody(about));
      case "watch":
        return this.#watch(about);
      case "get":
        return one(store.get(resource, namespace, name));
      case "create":
        return json(c, post(write, this.resource("namespaces")), 201);
      case "update":
        return one(put(write));
      case "patch":
        return one(patch(write));
      default:
        if (name === "") throw failure(405, "MethodNotAllowed", "deletecollection is not served");
        return json(c, remove(write, this.#resources));
    }
  }

  #watch(about: ConstructorParameters<typeof FakeWatch>[0]): Response {
    const watch = new FakeWatch(about, {
      bookmarkIntervalMs: this.#options.bookmarkIntervalMs ?? 60_000,
      stop: this.#stop.signal,
      isMuted: () => this.#muted,
    });
    this.#watches.add(watch);
    watch.onEnd(() => void this.#watches.delete(watch));
    return new Response(watch.body, { headers: JSON_TYPE });
  }
}

function namespaceOf({ namespaced }: FakeResource, { namespace }: { namespace?: string }): string {
  return namespaced ? namespace ?? "default" : "";
}
