import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { CniError } from "./cni_runtime.ts";
import type { EdgeHost } from "./edge_host.ts";
import { reachEachOther } from "./edge_site.ts";
import { NETWORK_NAME, SUBNET_ENV } from "./flannel.ts";
import { note, shareLab } from "./lab.ts";

const test = await shareLab();

/** As flanneld would tell the CNI plugin. */
async function pretendFlannel(host: EdgeHost): Promise<void> {
  const [subnet] = host.podCidrs;
  await host.writeFile(
    SUBNET_ENV,
    `FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=${subnet!.replace(".0/", ".1/")}\n` +
      "FLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n",
  );
}

/** The addresses that host-local holds, and for which sandbox. */
async function reservations(host: EdgeHost): Promise<Record<string, string>> {
  const folder = host.outside(`/var/lib/cni/networks/${NETWORK_NAME}`);
  const names = (await readdir(folder)).filter((name) => /^[\da-f.:]+$/.test(name)).sort();
  const files = names.map(async (name) => [name, await Deno.readTextFile(`${folder}/${name}`)]);
  return Object.fromEntries(await Promise.all(files));
}

test("PodNetwork.add() makes many pods at the same time", async (site) => {
  const [a] = site.hosts as [EdgeHost];
  await pretendFlannel(a);
  const started = performance.now();
  const pods = await Promise.all(
    Array.from({ length: 30 }, (_, i) => a.pods.add("default", `pod-${i}`)),
  );
  note(`30 pods in ${Math.round(performance.now() - started)} ms`);
  assert.equal(new Set(pods.map(({ ip }) => ip)).size, 30);
  assert.deepEqual(
    Object.entries(await reservations(a)).map(([ip, owner]) => `${ip} ${owner}`).sort(),
    pods.map(({ ip, containerId }) => `${ip} ${containerId}\r\neth0`).sort(),
  );
  await reachEachOther(pods[3]!, pods[7]!);
  const one = performance.now();
  await a.pods.add("default", "one-more");
  note(`one pod in ${Math.round(performance.now() - one)} ms`);
  await Promise.all(a.pods.all.map((pod) => a.pods.delete(pod)));
  assert.deepEqual(await reservations(a), {});
  assert.deepEqual(await readdir(a.outside("/run/netns")), []);
}, { hosts: ["edge-a"] });

test(
  "PodNetwork.restart() gives stock pods other addresses, and leaks them without DEL",
  async (site) => {
    const [a] = site.hosts as [EdgeHost];
    await pretendFlannel(a);
    for (const name of ["one", "two", "three"]) await a.pods.add("default", name);
    const before = a.pods.all.map(({ ip }) => ip);
    await a.powerOff();
    await a.boot();
    await pretendFlannel(a);
    const when = { one: "before", two: "after", three: "never" } as const;
    const after = await a.pods.restart({
      del: ({ id }) => when[id.name as keyof typeof when],
      order: (pods) => [...pods].reverse(),
      concurrent: false,
    });
    assert.deepEqual(after.map(({ id }) => id.name), ["one", "two", "three"]);
    assert.equal(new Set([...before, ...after.map(({ ip }) => ip)]).size, 6);
    const held = Object.keys(await reservations(a));
    assert.deepEqual(held, [...after.map(({ ip }) => ip), before[2]!].sort());
    // libcni itself calls DEL for what its cache knows and the runtime does not.
    await a.pods.collectGarbage();
    assert.deepEqual(Object.keys(await reservations(a)), after.map(({ ip }) => ip).sort());
  },
  { hosts: ["edge-a"] },
);

test("PodNetwork.check() is refused for the version that kube-flannel asks for", async (site) => {
  const [a] = site.hosts as [EdgeHost];
  await pretendFlannel(a);
  const pod = await a.pods.add("default", "one");
  await assert.rejects(a.pods.check(pod), /0\.3\.1" does not support the CHECK/);
}, { hosts: ["edge-a"] });

test("PodNetwork.add() undoes what failed", async (site) => {
  const [a] = site.hosts as [EdgeHost];
  await assert.rejects(a.pods.add("default", "one"), (error: unknown) => {
    assert.ok(error instanceof CniError);
    assert.match(error.message, /subnet\.env/);
    return true;
  });
  assert.deepEqual(a.pods.all, []);
  assert.deepEqual(await readdir(a.outside("/run/netns")), []);
}, { hosts: ["edge-a"] });
