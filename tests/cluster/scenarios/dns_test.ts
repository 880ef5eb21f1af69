import assert from "node:assert/strict";
import { reverseNameOf } from "../../../src/dns/zone/reverse_name.ts";
import { CoreDns } from "../coredns.ts";
import { until } from "../poll.ts";
import { dig, DnsAgent, firstAnswer, freePort } from "./dns_agent.ts";
import { StubDnsServer } from "./stub_dns_server.ts";
import { note, PATIENCE_MS, shareCloud, type Site } from "./site.ts";

const scenario = await shareCloud();

const HTTP = { name: "http", protocol: "TCP", port: 80 };
const DNS = { name: "dns", protocol: "UDP", port: 53 };

interface Service {
  readonly spec: { readonly clusterIP: string };
}

async function createService(site: Site, name: string, spec: unknown): Promise<Service> {
  return await site.cloud<Service>(site.path("services"), {
    method: "POST",
    body: JSON.stringify({ metadata: { name }, spec }),
  });
}

async function createSlice(
  site: Site,
  service: string,
  endpoints: readonly unknown[],
  more: Record<string, unknown> = {},
): Promise<void> {
  const { name = `${service}-1`, ...rest } = more;
  await site.cloud(slices(site), {
    method: "POST",
    body: JSON.stringify({
      metadata: { name, labels: { "kubernetes.io/service-name": service } },
      addressType: "IPv4",
      ports: [HTTP],
      endpoints,
      ...rest,
    }),
  });
}

const slices = (site: Site, name?: string) =>
  `/apis/discovery.k8s.io/v1/namespaces/${site.namespace}/endpointslices${name ? `/${name}` : ""}`;

/** Services of every kind; their names, and the addresses of those that have one. */
async function createAll(site: Site): Promise<{ names: string[]; addresses: string[] }> {
  const web = await createService(site, "web", { ports: [HTTP] });
  const two = await createService(site, "two", { ports: [HTTP, DNS] });
  const bare = await createService(site, "bare", { ports: [{ port: 80 }] });
  await createService(site, "headless", { clusterIP: "None", ports: [HTTP] });
  await createService(site, "nobody", { clusterIP: "None", ports: [HTTP] });
  await createService(site, "portless", { clusterIP: "None" });
  await createService(site, "elsewhere", {
    type: "ExternalName",
    externalName: `web.${site.namespace}.svc.cluster.local`,
  });
  await createSlice(site, "web", [{ addresses: ["10.1.0.1"] }]);
  await createSlice(site, "headless", [
    { addresses: ["10.1.0.2"], hostname: "one", conditions: { ready: true } },
    { addresses: ["10.1.0.3"], hostname: "two", conditions: {} },
    { addresses: ["10.1.0.4"], hostname: "down", conditions: { ready: false } },
    { addresses: ["10.1.0.5"] },
  ]);
  await createSlice(site, "headless", [{ addresses: ["10.1.0.5"] }, {
    addresses: ["10.1.0.6"],
    hostname: "one",
  }], { name: "headless-2", ports: [HTTP, DNS] });
  await createSlice(site, "headless", [{ addresses: ["fd00::7"], hostname: "six" }], {
    name: "headless-6",
    addressType: "IPv6",
  });
  await createSlice(site, "portless", [{ addresses: ["10.1.0.8"] }], { ports: [] });
  return {
    names: ["web", "two", "bare", "headless", "nobody", "portless", "unknown"],
    addresses: [web, two, bare].map(({ spec }) => spec.clusterIP),
  };
}

/** All that is worth asking of those Services. */
function questionsOf(
  { namespace }: Site,
  { names, addresses }: { names: string[]; addresses: string[] },
): { name: string; type: string }[] {
  const before = [
    "",
    "_http._tcp.",
    "_dns._udp.",
    "_http._udp.",
    "one.",
    "two.",
    "six.",
    "down.",
    "10-1-0-5.",
    "10-1-0-1.",
    "a.b.c.",
  ];
  const inZone = [
    ...names.flatMap((name) =>
      before.map((each) => `${each}${name}.${namespace}.svc.cluster.local`)
    ),
    "cluster.local",
    "svc.cluster.local",
    "pod.cluster.local",
    "foo.cluster.local",
    `${namespace}.svc.cluster.local`,
    "nowhere.svc.cluster.local",
    `10-1-0-9.${namespace}.pod.cluster.local`,
    "10-1-0-9.nowhere.pod.cluster.local",
    "kubernetes.default.svc.cluster.local",
    `KUBERNETES.Default.svc.cluster.local`,
    `example.com.${namespace}.svc.cluster.local`,
  ].flatMap((name) =>
    ["A", "AAAA", "SRV", "MX", "TXT", "HTTPS"]
      // A name that exists is no NXDOMAIN for TXT; and a pod's name has no port to tell.
      .filter((type) => !(type === "TXT" && /^(\w+\.)?(svc\.|pod\.)?cluster\.local$/.test(name)))
      .filter((type) => !(type === "TXT" && name === `${namespace}.svc.cluster.local`))
      .filter((type) => !(type === "SRV" && name.includes(".pod.")))
      .map((type) => ({ name, type }))
  );
  const reverse = [...addresses, "10.1.0.2", "10.1.0.5", "10.1.0.6", "fd00::7"]
    .map((address) => ({ name: reverseNameOf(address), type: "PTR" }));
  return [...inZone, ...reverse];
}

scenario(
  "S40 dig gets the same answers of the agent and of a real CoreDNS on a real cluster",
  async (site) => {
    const all = await createAll(site);
    const agent = await DnsAgent.install(site);
    await agent.start();
    await until(
      "the agent to know the cluster",
      async () =>
        (await agent.dig(`web.${site.namespace}.svc.cluster.local`, "A")).status === "NOERROR",
    );
    await using coredns = await CoreDns.start({
      program: site.cluster.bin("coredns"),
      kubeconfig: site.cluster.kubeconfigs.backdoor,
      folder: await site.directory(),
      zones: ["in-addr.arpa", "ip6.arpa"],
      settings: ["pods insecure", "ttl 5"],
    });
    const questions = questionsOf(site, all);
    const [ours, theirs] = await Promise.all([
      dig(agent.port, questions),
      dig(coredns.port, questions),
    ]);
    const wrong = questions.flatMap((question, i) => {
      const [own, other] = [ours[i]!, theirs[i]!].map(({ status, records, flags }) => ({
        status,
        records,
        authoritative: flags.includes("aa"),
      }));
      return JSON.stringify(own) === JSON.stringify(other) ? [] : [{ question, own, other }];
    });
    assert.deepEqual(wrong, []);
    note(`${questions.length} answers are the same`);
  },
);

scenario(
  "S41 a name server started link-down answers from what it kept, NXDOMAIN too",
  async (site) => {
    const { addresses: [clusterIP] } = await createAll(site);
    const name = `web.${site.namespace}.svc.cluster.local`;
    const agent = await DnsAgent.install(site);
    await agent.start();
    await until(
      "the agent to know the cluster",
      async () => (await agent.dig(name, "A")).records.length === 1,
    );
    await agent.stop();

    await site.cluster.link.blackhole();
    const started = performance.now();
    agent.spawn();
    const first = await firstAnswer(agent.port, name);
    note(`first answer ${Math.round(first.atMs - started)} ms after the start: ${first.rcode}`);
    assert.equal(first.rcode, 0);
    const said = await agent.dig(name, "A");
    assert.deepEqual(said.records, [`${name}. 5 in a ${clusterIP}`]);
    for (
      const missing of [`nothing.${site.namespace}.svc.cluster.local`, `${name}.cluster.local`]
    ) {
      assert.equal((await agent.dig(missing, "A")).status, "NXDOMAIN");
    }
    // Also once the proxy has held the link for down, and its lists are there.
    await agent.logged("the link is lost");
    assert.deepEqual((await agent.dig(name, "A")).records, said.records);
  },
);

scenario(
  "S42 with its upstream gone the last known answer is served, after a reboot too, and the rest fails at once",
  async (site) => {
    const upstream = site.use(StubDnsServer.start({ "shop.example": "192.0.2.7" }, 1));
    const agent = await DnsAgent.install(site, {
      forward: { upstreams: [`127.0.0.1:${upstream.port}`] },
    });
    await agent.start();
    assert.deepEqual((await agent.dig("shop.example", "A")).records, [
      "shop.example. 5 in a 192.0.2.7",
    ]);
    await createService(site, "abroad", { type: "ExternalName", externalName: "shop.example" });
    const abroad = `abroad.${site.namespace}.svc.cluster.local`;
    await until(
      "the Service to be known",
      async () => (await agent.dig(abroad, "A")).status === "NOERROR",
    );

    upstream[Symbol.dispose]();
    await site.cluster.link.blackhole();
    const assertStale = async () => {
      const said = await until("a stale answer", async () => {
        const reply = await agent.dig("shop.example", "A");
        return reply.extendedError !== undefined && reply;
      }, { timeoutMs: PATIENCE_MS });
      assert.match(said.extendedError!, /^3 /);
      assert.deepEqual(said.records, ["shop.example. 30 in a 192.0.2.7"]);
      // What leads there is no NODATA either, which clients would remember.
      assert.equal((await agent.dig(abroad, "A")).records.length, 2);
    };
    await assertStale();
    await agent.stop();
    await agent.start();
    await assertStale();
    await agent.dig("never-asked.example", "A");
    const started = performance.now();
    const missed = await agent.dig("another.example", "A");
    note(
      `a miss was SERVFAIL after ${
        Math.round(performance.now() - started)
      } ms, dig's own start included`,
    );
    assert.equal(missed.status, "SERVFAIL");
    assert.match(missed.extendedError!, /^22 /);
  },
);

scenario(
  "S43 long answers come whole or say that they are not; nonsense changes nothing",
  async (site) => {
    await createService(site, "many", { clusterIP: "None", ports: [HTTP] });
    const addresses = Array.from({ length: 60 }, (_, i) => `10.2.0.${i + 1}`);
    await createSlice(site, "many", addresses.map((address) => ({ addresses: [address] })));
    const name = `many.${site.namespace}.svc.cluster.local`;
    const agent = await DnsAgent.install(site);
    await agent.start();
    await until(
      "the agent to know the cluster",
      async () => (await agent.dig(name, "A")).records.length === 60,
    );
    const plain = await agent.dig(name, "A", "+noedns", "+ignore");
    assert.ok(plain.flags.includes("tc"));
    assert.ok(plain.records.length > 20 && plain.records.length < 60);
    // 60 addresses fit into 1,232 bytes, since their name is written once.
    const wide = await agent.dig(name, "A", "+bufsize=4096", "+ignore");
    assert.deepEqual([wide.flags.includes("tc"), wide.records.length], [false, 60]);
    const tcp = await agent.dig(name, "SRV", "+tcp");
    assert.equal(tcp.records.length, 120);
    const version = await agent.dig(name, "A", "+edns=1", "+noednsneg");
    assert.equal(version.status, "BADVERS");
    const chaos = await agent.dig("version.bind", "TXT", "-c", "CH");
    assert.equal(chaos.status, "REFUSED");

    const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
    const server = { transport: "udp", hostname: "127.0.0.1", port: agent.port } as const;
    for (let i = 0; i < 3_000; i++) {
      const packet = crypto.getRandomValues(new Uint8Array(12 + i % 500));
      // A third are queries with a body of noise.
      if (i % 3 === 0) {
        packet.set([1, 0, 0, 1, 0, 0, 0, 0, 0, 0], 2);
      }
      await socket.send(packet, server);
    }
    socket.close();
    assert.equal((await agent.dig(name, "A")).records.length, 60);
  },
);

scenario(
  "S44 what changes in the cluster is answered, and what is deleted is gone",
  async (site) => {
    const agent = await DnsAgent.install(site);
    await agent.start();
    const name = `late.${site.namespace}.svc.cluster.local`;
    const says = async () => {
      const { status, records } = await agent.dig(name, "A");
      return `${status} ${records.map((record) => record.split(" ").at(-1)).join(",")}`;
    };
    const becomes = async (what: string, wanted: string) => {
      const started = performance.now();
      await until(`${name} to be ${wanted}`, async () => await says() === wanted, {
        intervalMs: 10,
      });
      note(`${what}: answered after ${Math.round(performance.now() - started)} ms`);
    };
    await until(
      "the agent to know the cluster",
      async () =>
        (await agent.dig("kubernetes.default.svc.cluster.local", "A")).status === "NOERROR",
    );
    const soa = (await agent.dig(name, "A")).records.length;
    assert.equal(soa, 1);
    await createService(site, "late", { clusterIP: "None", ports: [HTTP] });
    await createSlice(site, "late", [{ addresses: ["10.3.0.1"] }]);
    await becomes("a new Service", "NOERROR 10.3.0.1");
    const endpoints = [{ addresses: ["10.3.0.2"], conditions: { ready: true } }, {
      addresses: ["10.3.0.1"],
      conditions: { ready: false },
    }];
    await site.cloud(slices(site, "late-1"), {
      method: "PATCH",
      headers: { "content-type": "application/merge-patch+json" },
      body: JSON.stringify({ endpoints }),
    });
    await becomes("another endpoint", "NOERROR 10.3.0.2");
    await site.cloud(site.path("services", "late"), { method: "DELETE" });
    await until(
      "the deleted Service to be gone",
      async () => (await agent.dig(name, "A")).status === "NXDOMAIN",
    );
  },
);

scenario("S45 an upstream that is the server itself stops nothing, and is told", async (site) => {
  const port = freePort();
  const agent = await DnsAgent.install(site, {
    listen: `127.0.0.1:${port}`,
    forward: { upstreams: [`127.0.0.1:${port}`] },
  });
  await agent.start().catch((error) => {
    throw error;
  });
  const replies = await dig(
    port,
    Array.from({ length: 20 }, (_, i) => ({
      name: `name-${i}.example`,
      type: "A",
    })),
  );
  assert.deepEqual([...new Set(replies.map(({ status }) => status))], ["SERVFAIL"]);
  await agent.logged("a name server asks this one: it is left out for now");
  await until(
    "the agent to know the cluster",
    async () =>
      (await dig(port, [{ name: "kubernetes.default.svc.cluster.local", type: "A" }]))[0]!
        .status ===
        "NOERROR",
  );
  assert.match(await agent.run("dns", "--explain", "name-1.example"), /SERVFAIL[\s\S]*because: /);
});
