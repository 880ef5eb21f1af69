import assert from "node:assert/strict";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { installTools } from "../apt.ts";
import type { CertFiles } from "../certs.ts";
import { run } from "../command.ts";
import { Systemd, UNITS } from "../node/systemd.ts";
import { until } from "../poll.ts";
import type { EdgeHost } from "../site/edge_host.ts";
import { type EdgeSite, reachEachOther } from "../site/edge_site.ts";
import { note, shareLab } from "../site/lab.ts";

const test = await shareLab();

const [INSTALLER, COMPILER, COMPILED] = ["install.sh", "dist/compile.ts", "dist/edge-agent"]
  .map((file) => fileURLToPath(new URL(`../../../${file}`, import.meta.url))) as [
    string,
    string,
    string,
  ];

const TOOLS = {
  ...{ dig: "bind9-dnsutils", journalctl: "systemd", systemctl: "systemd" },
  "/lib/systemd/systemd": "systemd",
} as const;

const SERVICE_NAME = "web.default.svc.cluster.local";

/** What the sandbox of a unit denies shows like this. */
const DENIED = /denied|not permitted|NotCapable|EACCES|EPERM|EROFS|[Rr]ead-only file system/;

/** What a unit that has run has logged. */
const SAID = {
  "edge-agent": /"message":"edge-agent is running"/,
  "edge-agent-restore": /network put back|there is no snapshot/,
} as const;

/** The compiled agent: only that has the permissions of a release. */
async function binary(): Promise<string> {
  const given = Deno.env.get("EDGE_AGENT_BINARY");
  if (given !== undefined) return given;
  note("compiling the agent");
  await run([Deno.execPath(), "run", "-A", COMPILER], { timeoutMs: 600_000 });
  return COMPILED;
}

/** A host on which the agent was installed as an operator does it. */
class InstalledHost {
  readonly host: EdgeHost;
  readonly systemd: Systemd;

  private constructor(host: EdgeHost) {
    this.host = host;
    this.systemd = new Systemd(host.machine);
  }

  /** Runs install.sh, writes config and the units of those that must find the network as it was. */
  static async create(host: EdgeHost, site: EdgeSite, binary: string): Promise<InstalledHost> {
    const installed = new InstalledHost(host);
    await installed.systemd.booted();
    // As kubespray leaves them.
    await host.run(["chown", "1001:1001", "/opt/cni/bin", "/etc/cni", "/etc/cni/net.d"]);
    await host.run(["sh", INSTALLER, "--binary", binary], { timeoutMs: 60_000 });
    const { cluster, flannel } = site;
    const folder = host.outside("/etc/edge-agent");
    const identity = async (name: string, { cert, key }: CertFiles) => {
      const [certFile, keyFile] = [`${name}.crt`, `${name}.key`];
      await Promise.all([
        copyFile(cert, `${folder}/${certFile}`),
        copyFile(key, `${folder}/${keyFile}`),
      ]);
      return {
        name,
        certFile: `/etc/edge-agent/${certFile}`,
        keyFile: `/etc/edge-agent/${keyFile}`,
      };
    };
    await copyFile(cluster.caFile, `${folder}/cloud.crt`);
    const config = {
      proxy: {
        upstream: { server: cluster.server, caFile: "/etc/edge-agent/cloud.crt" },
        identities: [
          await identity("flannel", flannel.certFiles),
          await identity("coredns", cluster.certFiles.admin),
        ],
      },
      snapshot: { verifyInterval: "2s" },
      dns: {},
    };
    await writeFile(`${folder}/config.yaml`, JSON.stringify(config));
    // Whoever starts pods: what they find is what matters here.
    for (const name of ["containerd", "kubelet"]) {
      const script = `ip -json -details link show flannel.1 >/var/log/${name}.json`;
      await installed.#unit(name, script);
    }
    await installed.systemd.ctl("daemon-reload");
    await installed.systemd.ctl(
      "enable",
      "edge-agent",
      "edge-agent-restore",
      "containerd",
      "kubelet",
    );
    return installed;
  }

  /** Waits until the agent says that it is ready. */
  async ready(): Promise<void> {
    await until(`the agent on ${this.host.name} to be ready`, async () => {
      const argv = ["wget", "-qO-", "http://127.0.0.1:51004/readyz"];
      return (await this.host.run(argv, { allowFailure: true })).code === 0;
    }, { timeoutMs: 60_000 });
  }

  /** The device that pods' packets go through, as somebody found it. */
  async found(by: "containerd" | "kubelet"): Promise<{ address: string }> {
    const text = await readFile(this.host.outside(`/var/log/${by}.json`), "utf8");
    assert.notEqual(text, "", `${by} started before there was a flannel.1`);
    return JSON.parse(text)[0];
  }

  /** First addresses that the host's name server gives. */
  async addressesOf(name: string): Promise<string[]> {
    const argv = ["dig", "+short", "+tries=1", "+time=2", "@169.254.20.10", name];
    const { stdout } = await this.host.run(argv, { allowFailure: true });
    return stdout.trim().split("\n");
  }

  /** How long the restore at boot took, ms. */
  async restoreMs(): Promise<number> {
    const [start, end] = await Promise.all(
      ["Start", "Exit"].map(async (what) =>
        Number(
          await this.systemd.property("edge-agent-restore", `ExecMain${what}TimestampMonotonic`),
        )
      ),
    );
    return Math.round((end! - start!) / 1_000);
  }

  /** Nothing that the agent did was denied by its units or by its own permissions. */
  async nothingWasDenied(): Promise<void> {
    for (const unit of ["edge-agent", "edge-agent-restore"] as const) {
      const journal = await this.systemd.journal(unit);
      assert.match(journal, SAID[unit], unit);
      const lines = journal.split("\n");
      assert.deepEqual(lines.filter((line) => DENIED.test(line)), [], unit);
    }
    const restarts = await this.systemd.property("edge-agent", "NRestarts");
    assert.equal(restarts, "0", await this.systemd.journal("edge-agent"));
  }

  async #unit(name: string, script: string): Promise<void> {
    const service = ["Type=oneshot", "RemainAfterExit=yes", `ExecStart=-/bin/sh -c "${script}"`];
    const lines = ["[Service]", ...service, "[Install]", "WantedBy=multi-user.target", ""];
    await mkdir(this.host.outside(UNITS), { recursive: true });
    await writeFile(this.host.outside(`${UNITS}/${name}.service`), lines.join("\n"));
  }
}

test(
  "S30 S31 S41 installed under systemd, network and names are back before containerd and kubelet start",
  async (site) => {
    await installTools(TOOLS);
    const program = await binary();
    const nodes = await Promise.all(
      site.hosts.map((host) => InstalledHost.create(host, site, program)),
    );
    const [a, b] = nodes as [InstalledHost, InstalledHost];
    await Promise.all(nodes.map(async ({ host, systemd }, i) => {
      await systemd.ctl("start", "edge-agent-restore", "edge-agent");
      await nodes[i]!.ready();
      const kubeconfig = host.outside("/var/lib/edge-agent/kubeconfigs/flannel.kubeconfig");
      await host.flannelReady(host.startFlanneld({ kubeconfig }), 1);
    }));
    const created = await site.cluster.fetch("/api/v1/namespaces/default/services", {
      via: "backdoor",
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ metadata: { name: "web" }, spec: { ports: [{ port: 80 }] } }),
    });
    assert.equal(created.status, 201, await created.text());
    const [service] = await until("the Service to have an address", async () => {
      const found = await Promise.all(nodes.map((node) => node.addressesOf(SERVICE_NAME)));
      return found.every(([first]) => first !== "" && first === found[0]![0]) && found[0]!;
    });
    const pods = await Promise.all([
      a.host.pods.add("default", "one"),
      b.host.pods.add("default", "two"),
    ]);
    await reachEachOther(...pods);
    await until("the networks to be on disk", async () => {
      const texts = await Promise.all(
        nodes.map(({ host }) => readFile(host.outside("/var/lib/edge-agent/network.json"), "utf8")),
      );
      return texts.map((text) => JSON.parse(text).content).every(({ peers, sysctls }) =>
        peers.length > 0 && sysctls["net.ipv4.ip_forward"] === "1"
      );
    });
    // A clean end writes the zone; the power cut comes without one.
    await Promise.all(nodes.map(({ systemd }) => systemd.ctl("restart", "edge-agent")));
    await Promise.all(nodes.map((node) => node.ready()));
    await Promise.all(nodes.map((node) => node.nothingWasDenied()));
    const before = await Promise.all(nodes.map(({ host }) => host.flannelState()));

    await site.blackhole();
    await Promise.all(nodes.map(async ({ host, systemd }) => {
      await host.powerOff();
      await host.boot();
      await systemd.booted();
    }));
    for (const [i, node] of nodes.entries()) {
      assert.equal(await node.systemd.property("edge-agent-restore", "Result"), "success");
      const { mac } = before[i]!.vteps["flannel.1"]!;
      assert.equal((await node.found("containerd")).address, mac);
      assert.equal((await node.found("kubelet")).address, mac);
      note(`${node.host.name}: restored in ${await node.restoreMs()} ms`);
      await until("the name to be answered", async () => {
        const [first] = await node.addressesOf(SERVICE_NAME);
        return first === service;
      });
    }
    const restarted = await Promise.all(nodes.map(({ host }) => host.pods.restart()));
    assert.deepEqual(restarted.map(([pod]) => pod!.ips), pods.map(({ ips }) => ips));
    await reachEachOther(restarted[0]![0]!, restarted[1]![0]!);

    // The agent's own unit may mend the network, too.
    const { subnet } = before[0]!.vteps["flannel.1"]!.peers[0]!;
    await a.host.run(["ip", "route", "delete", subnet]);
    await until("the route to be put back", async () => {
      return (await a.host.run(["ip", "route", "show", subnet])).stdout !== "";
    });
    await a.host.run(["sysctl", "-q", "-w", "net.ipv4.ip_forward=0"]);
    await until("packets to be forwarded again", async () => {
      return (await a.host.run(["sysctl", "-n", "net.ipv4.ip_forward"])).stdout.trim() === "1";
    });
    for (const node of nodes) {
      await node.ready();
      await node.systemd.ctl("reload", "edge-agent");
      await node.systemd.ctl("stop", "edge-agent");
      assert.equal(await node.systemd.property("edge-agent", "Result"), "success");
      await node.nothingWasDenied();
    }

    // And away again: older pods still come to their end.
    const { stdout } = await a.host.run(["sh", INSTALLER, "--uninstall"], { timeoutMs: 60_000 });
    assert.match(stdout, /removed/);
    await Promise.all(a.host.pods.all.map((pod) => a.host.pods.delete(pod)));
    const { stdout: left } = await a.host.run(["sh", "-c", "ls /usr/local/bin /opt/cni/bin"]);
    assert.doesNotMatch(left, /edge-agent/);
  },
  { init: "systemd" },
);
