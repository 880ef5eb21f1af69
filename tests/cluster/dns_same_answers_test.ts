/**
 * The cluster zone beside a real CoreDNS: the same objects, the same questions.
 *
 * @module
 */
import assert from "node:assert/strict";
import { FakeApiServer } from "../../src/demo/fake_api_server.ts";
import type { KubeObject } from "../../src/demo/fake_resources.ts";
import { readAnswer } from "../../src/dns/wire/answer.ts";
import { formatRecord } from "../../src/dns/wire/format_record.ts";
import { decodeMessage, type Message } from "../../src/dns/wire/message.ts";
import { nameKey } from "../../src/dns/wire/name.ts";
import { formatRcode } from "../../src/dns/wire/rcode.ts";
import { formatType, TYPE } from "../../src/dns/wire/record_type.ts";
import type { ClusterZone } from "../../src/dns/zone/cluster_zone.ts";
import { reverseNameOf } from "../../src/dns/zone/reverse_name.ts";
import type { ZoneOptions } from "../../src/dns/zone/zone_options.ts";
import { createCa, issueServingCert } from "../../src/kube/pki.ts";
import { service, slice, zoneOf } from "../testing/dns_cluster.ts";
import { queryPacket } from "../testing/dns_messages.ts";
import { SPECIFICATION_CLUSTER } from "../testing/dns_specification.ts";
import { buildCluster } from "./build.ts";
import { CoreDns } from "./coredns.ts";

const external = (name: string, externalName: string) =>
  service("testns", name, { type: "ExternalName", externalName });

const CLUSTER = {
  ...SPECIFICATION_CLUSTER,
  services: [
    ...SPECIFICATION_CLUSTER.services,
    external("chain", "external-to-service.testns.svc.cluster.local"),
    external("dangling", "gone.testns.svc.cluster.local"),
    external("loop", "loop.testns.svc.cluster.local"),
    service("testns", "skewed", { clusterIP: "None" }),
    service("testns", "podnamed", { clusterIP: "None" }),
  ],
  slices: [
    ...SPECIFICATION_CLUSTER.slices,
    // One pod in two slices, and slices whose ports differ.
    slice("testns", "skewed-a", "skewed", ["172.0.1.1", "172.0.1.2"], [
      { name: "http", protocol: "TCP", port: 80 },
      { name: "dns", protocol: "UDP", port: 53 },
    ]),
    slice("testns", "skewed-b", "skewed", ["172.0.1.2", "172.0.1.3"], [
      { name: "http", protocol: "TCP", port: 8080 },
    ]),
    slice("testns", "podnamed-a", "podnamed", [
      { addresses: ["172.0.2.1"], targetRef: { kind: "Pod", name: "podnamed-0" } },
    ], [{ name: "http", protocol: "TCP", port: 80 }]),
  ],
};

const below = [
  ...CLUSTER.services.map(({ metadata }) => (metadata as { name: string }).name),
  "nothere",
].flatMap((name) =>
  [
    "",
    "_http._tcp.",
    "_dns._udp.",
    "_http._udp.",
    "http.tcp.",
    "_._tcp.",
    "ep1a.",
    "dup-name.",
    "172-0-0-2.",
    "172-0-1-2.",
    "172-0-2-1.",
    "podnamed-0.",
    "5678-abcd--1.",
    "a.b.c.",
  ].map((
    before,
  ) => `${before}${name}.testns.svc.cluster.local`)
);

const NAMES = [
  "cluster.local",
  "svc.cluster.local",
  "pod.cluster.local",
  "foo.cluster.local",
  "dns-version.cluster.local",
  "testns.svc.cluster.local",
  "testns.pod.cluster.local",
  "nowhere.svc.cluster.local",
  "nowhere.pod.cluster.local",
  "kubedns.kube-system.svc.cluster.local",
  "example.com.testns.svc.cluster.local",
  "example.com.svc.cluster.local",
  "example.com.cluster.local",
  ...["10-240-0-1", "10-240-0-9", "172-0-0-2", "fd00--1", "blah", "x.10-240-0-1"].flatMap((pod) =>
    ["podns", "testns", "nowhere"].map((namespace) => `${pod}.${namespace}.pod.cluster.local`)
  ),
  ...below,
  ...[
    "10.0.0.1",
    "10.0.0.3",
    "10.0.0.10",
    "10.0.0.200",
    "172.0.0.1",
    "172.0.0.4",
    "172.0.1.2",
    "172.0.9.9",
    "10::3",
    "5678:abcd::2",
    "5678:abcd::9",
  ].map(reverseNameOf),
];

const TYPES = [
  TYPE.A,
  TYPE.AAAA,
  TYPE.SRV,
  TYPE.PTR,
  TYPE.TXT,
  TYPE.MX,
  TYPE.NS,
  TYPE.SOA,
  TYPE.HINFO,
  TYPE.HTTPS,
  TYPE.CNAME,
  TYPE.ANY,
];

/** Where the zone may answer otherwise, on purpose: `src/dns/README.md` says why. */
const OTHERWISE: readonly { name: RegExp; types: readonly number[] }[] = [
  // One RRset and not none (RFC 8482).
  { name: /./, types: [TYPE.ANY] },
  // SOA below the apex: CoreDNS says NODATA also of what does not exist.
  { name: /./, types: [TYPE.SOA] },
  // A name that exists is never NXDOMAIN.
  {
    name: /^(cluster|svc\.cluster|pod\.cluster|testns\.(svc|pod)\.cluster)\.local$/,
    types: [TYPE.TXT],
  },
  { name: /^dns-version\./, types: TYPES },
  { name: /\.arpa$/, types: TYPES.filter((type) => type !== TYPE.PTR) },
  // There is no port that an SRV record of a pod could tell: CoreDNS tells port 0.
  { name: /\.pod\.cluster\.local$/, types: [TYPE.SRV] },
  // The CNAME record is shown, and the rcode is that of its target.
  { name: /^(chain|dangling|loop|external-to-service)\.testns/, types: [TYPE.A, TYPE.AAAA] },
];

interface Said {
  outcome: string;
  records: string[];
}

function saidBy({ rcode, answers, authorities, additionals }: Message): Said {
  const texts = (section: string, records: Message["answers"]) =>
    records.map((record) =>
      // The serial is the time of the last change.
      `${section} ${nameKey(formatRecord(record))}`.replace(/(hostmaster\.\S+ )\d+/, "$1…")
    );
  return {
    outcome: formatRcode(rcode),
    records: [
      ...texts("answer", answers),
      ...texts("authority", authorities),
      ...texts("additional", additionals),
    ].sort(),
  };
}

function ours(zone: ClusterZone, name: string, type: number): Said | undefined {
  const said = zone.answer(name, type);
  if (said.state === "elsewhere") return { outcome: "ELSEWHERE", records: [] };
  // Who resolves the target is not the zone's matter.
  if (said.state === "chase") return undefined;
  return saidBy(readAnswer(name, type, said.answer));
}

async function theirs(dns: CoreDns, name: string, type: number): Promise<Said> {
  const said = saidBy(decodeMessage(await dns.exchange(queryPacket(name, type))));
  // It passes such names on, and here there is nobody to pass them to.
  return said.records.length === 0 ? { outcome: "ELSEWHERE", records: [] } : said;
}

async function startCloud(): Promise<{ cloud: FakeApiServer; caCert: string }> {
  const ca = await createCa("fake cloud");
  const tls = await issueServingCert(ca, ["127.0.0.1"]);
  const cloud = await FakeApiServer.start({ tls, tokens: { token: "admin" } });
  for (const name of CLUSTER.namespaces) {
    if (name !== "kube-system") cloud.create("namespaces", { metadata: { name } });
  }
  const create = (resource: string, objects: readonly unknown[]) => {
    for (const object of objects) cloud.create(resource, structuredClone(object) as KubeObject);
  };
  create("services", CLUSTER.services);
  create("endpointslices.discovery.k8s.io", CLUSTER.slices);
  create("pods", CLUSTER.pods.filter(({ status }) => status.phase === "Running"));
  return { cloud, caCert: ca.cert };
}

const VARIANTS: readonly {
  name: string;
  options: Partial<ZoneOptions>;
  zones: string[];
  settings: string[];
}[] = [
  {
    name: "as kubeadm sets it up",
    options: { pods: "insecure", ttlSeconds: 30 },
    zones: ["in-addr.arpa", "ip6.arpa"],
    settings: ["pods insecure", "fallthrough in-addr.arpa ip6.arpa", "ttl 30"],
  },
  {
    name: "by its defaults, with reverse zones of its own",
    options: { reverseZones: ["10.in-addr.arpa", "0.172.in-addr.arpa"] },
    zones: ["10.in-addr.arpa", "0.172.in-addr.arpa"],
    settings: [],
  },
  {
    name: "with verified pods, pod names and without empty Services",
    options: { pods: "verified", endpointPodNames: true, ignoreEmptyService: true },
    zones: [],
    settings: ["pods verified", "endpoint_pod_names", "ignore empty_service"],
  },
];

/** Rows of {@linkcode OTHERWISE} that the tests came across. */
const seen = new Set<unknown>();

for (const { name, options, zones, settings } of VARIANTS) {
  Deno.test(`S40 the zone answers as a real CoreDNS does, ${name}`, async () => {
    const program = (await buildCluster()).bin("coredns");
    const { cloud, caCert } = await startCloud();
    await using _ = cloud;
    const folder = await Deno.makeTempDir();
    await using folders = new AsyncDisposableStack();
    folders.defer(() => Deno.remove(folder, { recursive: true }));
    const kubeconfig = `${folder}/kubeconfig`;
    const context = { cluster: "cloud", user: "dns" };
    await Deno.writeTextFile(
      kubeconfig,
      JSON.stringify({
        apiVersion: "v1",
        kind: "Config",
        clusters: [{
          name: "cloud",
          cluster: { server: cloud.url, "certificate-authority-data": btoa(caCert) },
        }],
        users: [{ name: "dns", user: { token: "token" } }],
        contexts: [{ name: "cloud", context }],
        "current-context": "cloud",
      }),
    );
    await using dns = await CoreDns.start({ program, kubeconfig, folder, zones, settings });
    const zone = zoneOf(CLUSTER, options);
    const wrong: unknown[] = [];
    let compared = 0;
    for (const name of NAMES) {
      if (name.endsWith(".arpa") && !zones.some((each) => name.endsWith(`.${each}`))) continue;
      for (const type of TYPES) {
        const own = ours(zone, name, type);
        if (own === undefined) continue;
        compared++;
        const other = await theirs(dns, name, type);
        if (JSON.stringify(own) === JSON.stringify(other)) continue;
        const row = OTHERWISE.find((each) => each.name.test(name) && each.types.includes(type));
        if (row === undefined) wrong.push({ ask: `${name} ${formatType(type)}`, own, other });
        else seen.add(row);
      }
    }
    assert.deepEqual(wrong, []);
    assert.ok(compared > 2_000, `${compared} answers`);
  });
}

Deno.test("S40 every difference from CoreDNS is still there", () => {
  assert.deepEqual(OTHERWISE.filter((row) => !seen.has(row)), []);
});
