import * as z from "zod/mini";
import { ByteSize, Duration, FilePath, HostPort } from "../config/scalars.ts";

/** Below, a few Secrets and Pods would push each other out. */
const MIN_STORE_BYTES = 8 * 1024 * 1024;
/** Below, a client between two of its watches would lose its scope. */
const MIN_IDLE_TTL_MS = 60_000;

/** What the agent shows the cloud when it speaks for an identity. Files are re-read when they change. */
const Credential = {
  /** A kubeconfig whose current context's user is taken. */
  kubeconfig: z.optional(FilePath),
  /** PEM; may hold the key too, as the kubelet's `kubelet-client-current.pem` does. */
  certFile: z.optional(FilePath),
  keyFile: z.optional(FilePath),
  tokenFile: z.optional(FilePath),
};

/** A local client that the agent knows by its own token, and that has the agent's upstream credential. */
export const IdentityConfig = z.strictObject({
  /** Names the token file `tokens/<name>` and the kubeconfig `kubeconfigs/<name>.kubeconfig` in the state directory. */
  name: z.string().check(z.regex(/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/, "must be a DNS label")),
  /** CN of the client certificates, vouched for by `clientCA`, that are this identity's. */
  commonName: z.optional(z.string().check(z.minLength(1))),
  ...Credential,
});
export type IdentityConfig = z.output<typeof IdentityConfig>;

const ServerUrl = z.url({
  protocol: /^https?$/,
  error: "must be a URL like https://10.0.0.1:6443",
});

/** The cluster's DNS Service leads to the server on this node. */
export const LocalDnsConfig = z.strictObject({
  /** Where that server listens, at port 53; the agent's own by default (`dns.listen`). */
  address: z.prefault(z.union([z.ipv4(), z.ipv6()], "must be an IP address"), "169.254.20.10"),
  /** The Service: namespace/name. */
  service: z.prefault(
    z.string().check(z.regex(/^[a-z0-9-]+\/[a-z0-9-]+$/, "must be namespace/name")),
    "kube-system/kube-dns",
  ),
  /** The identities that are told so: whoever programs the node's Services. */
  identities: z.prefault(z.array(z.string()).check(z.minLength(1)), ["kube-proxy"]),
});
export type LocalDnsConfig = z.output<typeof LocalDnsConfig>;

/** The `proxy` section. */
export const ProxyConfig = z.strictObject({
  /** The TLS listener that clients take for the kube-apiserver. */
  listen: z.prefault(HostPort, "127.0.0.1:51003"),
  /** The real kube-apiserver. */
  upstream: z.strictObject({
    /** Takes server and CA from the current context of this kubeconfig. */
    kubeconfig: z.optional(FilePath),
    server: z.optional(ServerUrl),
    /** More servers of the same cluster, with the same authority and credentials: the nearest is used. */
    servers: z.prefault(z.array(ServerUrl).check(z.maxLength(8)), []),
    caFile: z.optional(FilePath),
    /**
     * Remembers where the cluster says that its servers are (the EndpointSlice `default/kubernetes`),
     * for when none of the configured ones answers. Over TLS only.
     */
    learn: z.prefault(z.boolean(), true),
  }),
  identities: z.prefault(z.array(IdentityConfig), []),
  /** PEM of the authorities whose client certificates say who a client is (Deno 2.9 or later). */
  clientCA: z.optional(FilePath),
  /** Lets clients with bearer tokens of the cluster (pods) through with their own token. */
  passthrough: z.prefault(z.boolean(), true),
  /** Audiences of ServiceAccount tokens that the API server takes, beside its issuer's name. */
  tokenAudiences: z.optional(z.array(z.string().check(z.minLength(1)))),
  /**
   * How long past its end a ServiceAccount's token may read what is cached while the link is down. Without
   * limit unless set: an outage may last for days, and nobody can renew a token meanwhile.
   */
  offlineTokenGrace: z.optional(Duration),
  /** A plain-HTTP listener on loopback whose every client is taken for `identity`. Off unless set. */
  plain: z.optional(z.strictObject({ listen: HostPort, identity: z.string() })),
  /**
   * What is fetched ahead so that clients can start link-down: API discovery (some 100 KB), also the
   * OpenAPI documents that `kubectl explain` reads (6 MB, which kube-apiserver does not compress), or
   * nothing. Whatever a client once fetched is kept in any case.
   */
  prefetch: z.prefault(z.enum(["off", "discovery", "openapi"]), "discovery"),
  /** The newest events kept per scope, so that a slow or returning watcher needs no new list. */
  eventWindow: z.prefault(
    z.strictObject({
      maxEvents: z.prefault(z.int().check(z.minimum(16)), 2_000),
      maxBytes: z.prefault(ByteSize, "8Mi"),
    }),
    {},
  ),
  /**
   * How long the cloud's last answer to a TokenReview or access review is given while it can't be asked;
   * `0s`: not at all.
   */
  reviewGrace: z.prefault(Duration, "10m"),
  /** Events (the API objects) written while the cloud can't be reached wait here; the oldest are dropped. */
  journal: z.prefault(
    z.strictObject({
      /** 0: none, such writes are refused. */
      maxEvents: z.prefault(z.int().check(z.minimum(0)), 1_000),
      maxBytes: z.prefault(ByteSize, "4Mi"),
    }),
    {},
  ),
  /** What is changed in the objects on their way to some clients. Each is off unless its section is there. */
  filters: z.prefault(z.strictObject({ localDns: z.optional(LocalDnsConfig) }), {}),
  /** What is kept on disk for the time without a link. */
  store: z.prefault(
    z.strictObject({
      /** Bound of state.db. What nobody watches is forgotten first. */
      maxBytes: z.prefault(
        ByteSize.check(z.refine((bytes) => bytes >= MIN_STORE_BYTES, "must be at least 8Mi")),
        "256Mi",
      ),
      /**
       * A collection that nobody asked for so long is no longer mirrored, and after as long again
       * forgotten. Those of a single object stay for at least a day. Time without a link does not count.
       */
      idleScopeTtl: z.prefault(
        Duration.check(z.refine((ms) => ms >= MIN_IDLE_TTL_MS, "must be at least 1m")),
        "1d",
      ),
    }),
    {},
  ),
});
export type ProxyConfig = z.output<typeof ProxyConfig>;
