import assert from "node:assert/strict";
import { run } from "../command.ts";
import { shareLab } from "./lab.ts";
import type { EdgeHost } from "./edge_host.ts";
import type { EdgeSite } from "./edge_site.ts";

const test = await shareLab();

/** One ping, from a host. */
async function pings(from: EdgeHost, address: string): Promise<boolean> {
  const argv = ["busybox", "ping", "-c", "1", "-W", "1", address];
  return (await from.run(argv, { allowFailure: true })).code === 0;
}

/** Whether the API server's machine answers a host. */
function seesCloud(from: EdgeHost, { cluster }: EdgeSite): Promise<boolean> {
  return pings(from, new URL(cluster.server).hostname);
}

test("EdgeHost.powerOff() keeps the disks and nothing else", async (site) => {
  const [a, b] = site.hosts as [EdgeHost, EdgeHost];
  const service = a.start("sleeper", ["sleep", "600"]);
  const paths = ["/etc/edge-agent", "/etc/cni", "/opt/cni", "/var/lib", "/var/log", "/run"];
  for (const folder of paths) await a.writeFile(`${folder}/kept`, folder);
  await a.run(["ip", "link", "add", "dev", "mine", "type", "bridge"]);
  await a.run(["ip", "netns", "add", "pod"]);
  const other = await b.kernel.links();
  const nic = await a.kernel.link("eth0");

  await a.powerOff();
  await service.ended;
  assert.equal(await pings(b, a.nic.address!), false);
  await a.boot();

  const kept = await Promise.all(paths.map((folder) => a.kernel.file(`${folder}/kept`)));
  assert.deepEqual(kept, [...paths.slice(0, -1), undefined]);
  const links = await a.kernel.links();
  assert.deepEqual(links.map(({ ifname }) => ifname).sort(), ["eth0", "lo", "wan0"]);
  assert.equal(links.find(({ ifname }) => ifname === "eth0")?.address, nic?.address);
  assert.equal((await a.run(["ip", "netns", "list"])).stdout, "");
  assert.ok(await pings(b, a.nic.address!));
  assert.ok(await seesCloud(a, site));
  assert.deepEqual(identities(await b.kernel.links()), identities(other));
});

/** What a device is, without what it is just doing. */
function identities(links: Awaited<ReturnType<EdgeHost["kernel"]["links"]>>) {
  return links.map(({ ifname, ifindex, address, mtu }) => ({ ifname, ifindex, address, mtu }));
}

test("EdgeHost.boot() finds another LAN when told so", async (site) => {
  const [a, b] = site.hosts as [EdgeHost, EdgeHost];
  await a.powerOff();
  await a.boot({ name: "enp3s0", address: undefined, carrier: false, index: 20 });
  const device = await a.kernel.link("enp3s0");
  assert.equal(device?.ifindex, 20);
  assert.ok(device.flags.includes("NO-CARRIER"));
  assert.deepEqual(
    await a.kernel.routes().then((all) => all.filter(({ dst }) => dst === "default")),
    [],
  );

  await a.setCarrier(true);
  await a.setAddresses({ address: "10.206.0.77" });
  assert.ok(await pings(b, "10.206.0.77"));
  assert.ok(await seesCloud(a, site));

  await a.powerOff();
  await a.boot({ defaultRoute: false });
  assert.deepEqual(
    await a.kernel.routes().then((all) => all.filter(({ dst }) => dst === "default")),
    [],
  );
  assert.ok(await pings(b, "10.206.0.77"));
});

test("EdgeSite.blackhole() cuts every host off the cloud, and none off the others", async (site) => {
  const [a, b] = site.hosts as [EdgeHost, EdgeHost];
  await site.blackhole();
  assert.deepEqual([await seesCloud(a, site), await seesCloud(b, site)], [false, false]);
  assert.ok(await pings(a, b.nic.address!));
  // The cut outlives a power cut.
  await a.powerOff();
  await a.boot();
  assert.equal(await seesCloud(a, site), false);

  await b.cloud.restore();
  assert.deepEqual([await seesCloud(a, site), await seesCloud(b, site)], [false, true]);
  await site.restore();
  await site.restore();
  assert.deepEqual([await seesCloud(a, site), await seesCloud(b, site)], [true, true]);
});

test("EdgeHost.installAgent() makes an agent whose commands run on the host", async (site) => {
  const [a] = site.hosts as [EdgeHost];
  const agent = await a.installAgent({ identities: [site.flannelIdentity] });
  const { code, stderr } = await agent.run("config", "check");
  assert.equal(code, 0, stderr);
  await agent.installAs("/opt/cni/bin/some-plugin");
  const { stdout } = await a.run(["/opt/cni/bin/some-plugin", "config", "print"]);
  assert.ok(stdout.includes("flannel"), stdout);
}, { hosts: ["edge-a"] });

test("EdgeSite has IPv6 on the LAN where asked for", async (site) => {
  const [a, b] = site.hosts as [EdgeHost, EdgeHost];
  assert.ok(await pings(a, b.nic.address6!));
}, { ipv6: true });

test("EdgeSite leaves nothing on this machine", async (site) => {
  const { stdout: links } = await run(["ip", "-br", "link"]);
  const { stdout: namespaces } = await run(["ip", "netns", "list"]);
  for (const host of site.hosts) await host.pods.add("default", "left").catch(() => {});
  await site[Symbol.asyncDispose]();
  assert.equal((await run(["ip", "-br", "link"])).stdout, links);
  assert.equal((await run(["ip", "netns", "list"])).stdout, namespaces);
  const { stdout } = await run(["ip", "-n", site.cluster.namespace, "-br", "link"]);
  assert.doesNotMatch(stdout, /^site/m);
});
