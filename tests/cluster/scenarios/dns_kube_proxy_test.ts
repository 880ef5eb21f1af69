import assert from "node:assert/strict";
import { installTools } from "../apt.ts";
import type { Cluster } from "../cluster.ts";
import type { CommandOptions, CommandResult } from "../command.ts";
import type { User } from "../credentials.ts";
import type { NodeAgent } from "../node/agent.ts";
import type { Service } from "../node/machine.ts";
import { until } from "../poll.ts";
import type { EdgeHost } from "../site/edge_host.ts";
import type { EdgeSite } from "../site/edge_site.ts";
import { note, shareLab } from "../site/lab.ts";
import type { Pod } from "../site/pod.ts";

const test = await shareLab();

const CLUSTER_IP = "10.96.0.10";
const LOCAL = "169.254.20.10";
/** CoreDNS in the cloud, which nobody can reach from here. */
const CLOUD_POD = "10.244.200.9";
const NAME = "web.default.svc.cluster.local";
const WEB = "10.96.0.20";

const DNS_PORTS = [
  { name: "dns", protocol: "UDP", port: 53 },
  { name: "dns-tcp", protocol: "TCP", port: 53 },
];

/** Puts an object into the cloud by the back door. */
async function create(cluster: Cluster, path: string, object: unknown): Promise<void> {
  const response = await cluster.fetch(path, {
    via: "backdoor",
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(object),
  });
  const text = await response.text();
  assert.ok(response.ok, text);
}

/** The Service kube-dns with CoreDNS in the cloud behind it, and one more to ask for. */
async function createServices(cluster: Cluster): Promise<void> {
  await create(cluster, "/api/v1/namespaces/kube-system/services", {
    metadata: { name: "kube-dns", labels: { "k8s-app": "kube-dns" } },
    spec: { clusterIP: CLUSTER_IP, ports: DNS_PORTS },
  });
  await create(cluster, "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices", {
    metadata: { name: "kube-dns-x", labels: { "kubernetes.io/service-name": "kube-dns" } },
    addressType: "IPv4",
    endpoints: [{
      addresses: [CLOUD_POD],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: "cloud-1",
    }],
    ports: DNS_PORTS,
  });
  await create(cluster, "/api/v1/namespaces/default/services", {
    metadata: { name: "web" },
    spec: { clusterIP: WEB, ports: [{ name: "http", port: 80 }] },
  });
}

/** CoreDNS's account, with the rights that kubeadm gives it. */
async function createCoreDnsUser(cluster: Cluster): Promise<User> {
  const user = "system:serviceaccount:kube-system:coredns";
  const api = "/apis/rbac.authorization.k8s.io/v1";
  const name = "system:coredns";
  const verbs = ["list", "watch"];
  await create(cluster, `${api}/clusterroles`, {
    metadata: { name },
    rules: [
      { apiGroups: [""], resources: ["endpoints", "services", "pods", "namespaces"], verbs },
      { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs },
    ],
  });
  await create(cluster, `${api}/clusterrolebindings`, {
    metadata: { name },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: user }],
  });
  return await cluster.addUser(user, ["system:serviceaccounts"]);
}

const identity = (name: string, { certFiles: { cert, key } }: User) => ({
  name,
  certFile: cert,
  keyFile: key,
});

/** What is in the cloud for all tests of the file. */
interface Cloud {
  readonly kubeProxy: User;
  readonly coredns: User;
}

async function createCloud(cluster: Cluster): Promise<Cloud> {
  await installTools({ dig: "bind9-dnsutils" });
  await createServices(cluster);
  return {
    // RBAC knows it by this name in every cluster.
    kubeProxy: await cluster.addUser("system:kube-proxy"),
    coredns: await createCoreDnsUser(cluster),
  };
}

let cloud: Promise<Cloud> | undefined;

/** An agent that is a host's API and its name server, and whatever else of a node stands on it. */
async function startAgent(
  site: EdgeSite,
  host: EdgeHost,
  filters: Record<string, unknown>,
): Promise<NodeAgent> {
  const { kubeProxy, coredns } = await (cloud ??= createCloud(site.cluster));
  const identities = [
    site.flannelIdentity,
    identity("kube-proxy", kubeProxy),
    identity("coredns", coredns),
  ];
  const dns = { forward: { upstreams: ["10.206.0.250:53"] } };
  const agent = await host.installAgent({ identities, filters }, { dns });
  await agent.start();
  await startFlannel(host, agent);
  return agent;
}

async function startFlannel(host: EdgeHost, agent: NodeAgent): Promise<void> {
  const flanneld = host.startFlanneld({ kubeconfig: agent.kubeconfig("flannel") });
  await host.flannelReady(flanneld, 0);
}

/** kube-proxy as kubeadm runs it, with the agent as its only API. */
async function startKubeProxy(
  host: EdgeHost,
  cluster: Cluster,
  agent: NodeAgent,
  mode: string,
): Promise<Service> {
  const path = "/etc/kube-proxy.json";
  await host.writeFile(
    path,
    JSON.stringify({
      apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
      kind: "KubeProxyConfiguration",
      mode,
      clientConnection: { kubeconfig: agent.kubeconfig("kube-proxy") },
      hostnameOverride: host.name,
      clusterCIDR: "10.244.0.0/16",
      // The machine's limits are not this host's.
      conntrack: { maxPerCore: 0, tcpEstablishedTimeout: "0s", tcpCloseWaitTimeout: "0s" },
    }),
  );
  return host.start("kube-proxy", [cluster.bin("kube-proxy"), `--config=${path}`]);
}

/** Runs a command somewhere on a host. */
type Run = (argv: readonly string[], options?: CommandOptions) => Promise<CommandResult>;

/** What dig prints of an answer; it takes none that comes from elsewhere than it asked. */
async function dig(run: Run, server: string, transport: string): Promise<string> {
  const options = [`+${transport}`, "+short", "+time=1", "+tries=1"];
  const { stdout } = await run(["dig", ...options, `@${server}`, NAME, "A"], {
    allowFailure: true,
  });
  return stdout.trim();
}

/** Asks by every way, from a pod and from the host. */
async function askAll(host: EdgeHost, pod: Pod): Promise<void> {
  const places: [string, Run][] = [
    ["a pod", (...args) => pod.run(...args)],
    ["the host", (...args) => host.run(...args)],
  ];
  for (const [place, run] of places) {
    for (const server of [CLUSTER_IP, LOCAL]) {
      for (const transport of ["notcp", "tcp"]) {
        const what = `+${transport} @${server} from ${place}`;
        assert.equal(await dig(run, server, transport), WEB, what);
      }
    }
  }
}

/** Waits until a pod is answered at the ClusterIP. */
async function answered(host: EdgeHost, pod: Pod, kubeProxy: Service): Promise<void> {
  const started = performance.now();
  try {
    await until("a pod to be answered at the ClusterIP", async () => {
      kubeProxy.assertRunning();
      return await dig((...args) => pod.run(...args), CLUSTER_IP, "notcp") === WEB;
    }, { timeoutMs: 20_000 });
  } catch (cause) {
    const script = "ip address; ip route; iptables-save; nft list ruleset";
    const { stdout } = await host.run(["sh", "-c", script]);
    throw new Error(`${stdout}\n${await kubeProxy.tail(40)}`, { cause });
  }
  note(`answered at the ClusterIP after ${Math.round(performance.now() - started)} ms`);
}

for (const mode of ["iptables", "nftables"]) {
  test(
    `S45 the ClusterIP of kube-dns leads to the node by real kube-proxy (${mode})`,
    async (site) => {
      const [host] = site.hosts as [EdgeHost];
      const agent = await startAgent(site, host, { localDns: {} });
      // As strict as distributions are.
      await host.run(["sysctl", "-q", "-w", "net.ipv4.conf.all.rp_filter=1"]);
      const before = await host.pods.add("default", "client");
      const kubeProxy = await startKubeProxy(host, site.cluster, agent, mode);
      await answered(host, before, kubeProxy);
      await askAll(host, before);
      // The kernel has dummy devices or not: both are right.
      const links = await host.kernel.links();
      const holder = links.find((link) => link.addr_info.some(({ local }) => local === LOCAL));
      note(`${LOCAL} is on ${holder?.ifname}`);

      await site.blackhole();
      await askAll(host, before);
      await agent.logged("the link is lost");
      await askAll(host, before);

      await host.powerOff();
      await host.boot();
      await agent.start();
      await startFlannel(host, agent);
      const [after] = await host.pods.restart();
      await answered(host, after!, await startKubeProxy(host, site.cluster, agent, mode));
      await askAll(host, after!);
    },
    { hosts: ["edge-a"] },
  );
}

test("S45 a kube-proxy that runs follows when the filter is switched on and off", async (site) => {
  const [host] = site.hosts as [EdgeHost];
  const agent = await startAgent(site, host, {});
  const kubeProxy = await startKubeProxy(host, site.cluster, agent, "iptables");
  const leadsTo = (address: string) =>
    until(`the ClusterIP to lead to ${address}`, async () => {
      kubeProxy.assertRunning();
      const { stdout } = await host.run(["iptables-save", "-t", "nat"]);
      const targets = [...stdout.matchAll(/--to-destination (\S+):53\b/g)].map(([, ip]) => ip);
      return targets.length === 2 && targets.every((target) => target === address);
    }, { timeoutMs: 20_000 });
  await leadsTo(CLOUD_POD);
  for (const [filters, address] of [[{ localDns: {} }, LOCAL], [{}, CLOUD_POD]] as const) {
    await agent.kill();
    await agent.change((config) => config.proxy.filters = filters);
    await agent.start();
    await leadsTo(address);
  }
}, { hosts: ["edge-a"] });
