/**
 * The one table of what is built: a line here and a `tool` line in go.mod is all that a further
 * component needs.
 *
 * @module
 */

/** A program that the build makes from a Go package. */
export interface Component {
  /** Go import path of its main package; every one but our own is a `tool` of go.mod. */
  readonly package: string;
  /** Folder of a go.mod of its own, for what would raise the versions of Kubernetes' dependencies. */
  readonly module?: string;
  /** Another go.mod for a package of ours or Kubernetes': clients newer than the cluster. */
  readonly modfile?: string;
  /** What `go build` calls the program, where that is not the component's name. */
  readonly builtAs?: string;
  /** A module whose version the linker puts into a variable; Kubernetes has its own way. */
  readonly version?: { readonly module: string; readonly variable: string };
  /** Holds C, so it takes a C compiler. */
  readonly cgo?: boolean;
}

const CNI_PLUGINS = "github.com/containernetworking/plugins/plugins";

// To come, for the node's side: k8s.io/kubernetes/cmd/kube-scheduler.
const TABLE = {
  "etcd": { package: "go.etcd.io/etcd/server/v3", builtAs: "server" },
  "kube-apiserver": { package: "k8s.io/kubernetes/cmd/kube-apiserver" },
  "kube-controller-manager": { package: "k8s.io/kubernetes/cmd/kube-controller-manager" },
  "kube-proxy": { package: "k8s.io/kubernetes/cmd/kube-proxy" },
  "kubelet": { package: "k8s.io/kubernetes/cmd/kubelet" },
  "kubectl": { package: "k8s.io/kubernetes/cmd/kubectl" },
  "kubectl-current": {
    package: "k8s.io/kubernetes/cmd/kubectl",
    modfile: "current.mod",
    builtAs: "kubectl",
  },
  "coredns": { package: ".", module: "coredns" },
  "informer": { package: "./informer" },
  "informer-current": { package: "./informer", modfile: "current.mod", builtAs: "informer" },
  "asker": { package: "./asker" },
  "flanneld": {
    package: "github.com/flannel-io/flannel",
    module: "flanneld",
    builtAs: "flannel",
    version: {
      module: "github.com/flannel-io/flannel",
      variable: "github.com/flannel-io/flannel/pkg/version.Version",
    },
    cgo: true,
  },
  // The CNI plugin, as it was before it moved to a repository of its own.
  "flannel": { package: `${CNI_PLUGINS}/meta/flannel`, module: "flannel_cni" },
  "bridge": { package: `${CNI_PLUGINS}/main/bridge`, module: "cniruntime" },
  "host-local": { package: `${CNI_PLUGINS}/ipam/host-local`, module: "cniruntime" },
  "loopback": { package: `${CNI_PLUGINS}/main/loopback`, module: "cniruntime" },
  "portmap": { package: `${CNI_PLUGINS}/meta/portmap`, module: "cniruntime" },
  "cniruntime": { package: ".", module: "cniruntime" },
} satisfies Record<string, Component>;

/** Name of a component, and of its program in the cache. */
export type ComponentName = keyof typeof TABLE;

/** Clients of the cluster's own version, or the newest there are. */
export type ClientRelease = "own" | "current";

/** Both, for tests of what clients see. */
export const CLIENT_RELEASES: readonly ClientRelease[] = ["own", "current"];

/** All components by name. */
export const COMPONENTS: Readonly<Record<ComponentName, Component>> = TABLE;

/** The module whose version the Kubernetes programs report. */
export const KUBERNETES_MODULE = "k8s.io/kubernetes";

/** Go packages that hold the version that is reported and compared by clients. */
export const VERSION_PACKAGES = [
  "k8s.io/component-base/version",
  "k8s.io/client-go/pkg/version",
] as const;
