import assert from "node:assert/strict";
import { ask, SERIAL, service, slice, zoneOf } from "../../../tests/testing/dns_cluster.ts";
import { SPECIFICATION_CLUSTER } from "../../../tests/testing/dns_specification.ts";

const ZONE = zoneOf(SPECIFICATION_CLUSTER, { nameServers: ["169.254.20.10"] });
const SOA =
  `cluster.local. 5 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. ${SERIAL} 7200 1800 86400 5`;

interface Row {
  ask: string;
  /** What the answers say behind `IN`, or what there is instead; the owner is the name asked for. */
  want: "NODATA" | "NXDOMAIN" | string[];
  extra?: string[];
}

const rows = (all: Row[]): Row[] => all;

/** A name below `svc.cluster.local`, unless it ends in a dot. */
const full = (name: string) => name.endsWith(".") ? name : `${name}.svc.cluster.local.`;

function check({ ask: question, want, extra = [] }: Row, zone = ZONE): void {
  const [name = "", type = ""] = question.split(" ");
  const got = ask(zone, `${full(name)} ${type}`);
  if (typeof want === "string") {
    assert.deepEqual(got, { outcome: want, answers: [], authorities: [SOA], additionals: [] });
    return;
  }
  assert.deepEqual(got, {
    outcome: "NOERROR",
    answers: want.map((each) => `${full(name)} ${each}`),
    authorities: [],
    additionals: extra,
  });
}

const svc = (name: string, data: string) => `${name}.svc.cluster.local. 5 IN ${data}`;

Deno.test.each(rows([
  // 2.2
  { ask: "dns-version.cluster.local. TXT", want: ['28800 IN TXT "1.1.0"'] },
  // 2.3.1
  { ask: "svc1.testns A", want: ["5 IN A 10.0.0.1"] },
  { ask: "svc6.testns AAAA", want: ["5 IN AAAA 1234:abcd::1"] },
  { ask: "svc-dual-stack.testns A", want: ["5 IN A 10.0.0.3"] },
  { ask: "svc-dual-stack.testns AAAA", want: ["5 IN AAAA 10::3"] },
  // 2.3.2
  {
    ask: "_http._tcp.svc1.testns SRV",
    want: ["5 IN SRV 0 100 80 svc1.testns.svc.cluster.local."],
    extra: [svc("svc1.testns", "A 10.0.0.1")],
  },
  // 2.4.1
  {
    ask: "hdls1.testns A",
    want: [2, 3, 4, 5].map((i) => `5 IN A 172.0.0.${i}`),
  },
  { ask: "hdls1.testns AAAA", want: ["5 IN AAAA 5678:abcd::1", "5 IN AAAA 5678:abcd::2"] },
  { ask: "hdlsempty.testns A", want: "NXDOMAIN" },
  { ask: "dup-name.hdls1.testns A", want: ["5 IN A 172.0.0.4", "5 IN A 172.0.0.5"] },
  { ask: "172-0-0-3.hdls1.testns A", want: ["5 IN A 172.0.0.3"] },
  // 2.4.2
  {
    ask: "_http._tcp.hdls1.testns SRV",
    want: ["172-0-0-2", "172-0-0-3", "dup-name", "5678-abcd--1", "5678-abcd--2"].map((label) =>
      `5 IN SRV 0 16 80 ${label}.hdls1.testns.svc.cluster.local.`
    ),
    extra: [
      svc("172-0-0-2.hdls1.testns", "A 172.0.0.2"),
      svc("172-0-0-3.hdls1.testns", "A 172.0.0.3"),
      svc("dup-name.hdls1.testns", "A 172.0.0.4"),
      svc("dup-name.hdls1.testns", "A 172.0.0.5"),
      svc("5678-abcd--1.hdls1.testns", "AAAA 5678:abcd::1"),
      svc("5678-abcd--2.hdls1.testns", "AAAA 5678:abcd::2"),
    ],
  },
  // 2.3.3 and 2.4.3
  { ask: "1.0.0.10.in-addr.arpa. PTR", want: ["5 IN PTR svc1.testns.svc.cluster.local."] },
  {
    ask: "4.0.0.172.in-addr.arpa. PTR",
    want: ["5 IN PTR dup-name.hdls1.testns.svc.cluster.local."],
  },
  {
    ask: "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.c.b.a.8.7.6.5.ip6.arpa. PTR",
    want: ["5 IN PTR 5678-abcd--2.hdls1.testns.svc.cluster.local."],
  },
  // 2.5
  { ask: "external.testns CNAME", want: ["5 IN CNAME ext.interwebs.test."] },
]))("S40 specification: $ask", (row) => check(row));

Deno.test.each(rows([
  { ask: "svcempty.testns A", want: ["5 IN A 10.0.0.2"] },
  ...[["svc1", "10.0.0.1"], ["svcempty", "10.0.0.2"]].map(([name, ip]) => ({
    ask: `${name}.testns SRV`,
    want: [`5 IN SRV 0 100 80 ${name}.testns.svc.cluster.local.`],
    extra: [svc(`${name}.testns`, `A ${ip}`)],
  })),
  {
    ask: "svc6.testns SRV",
    want: ["5 IN SRV 0 100 80 svc6.testns.svc.cluster.local."],
    extra: [svc("svc6.testns", "AAAA 1234:abcd::1")],
  },
  {
    ask: "svc-dual-stack.testns SRV",
    want: ["5 IN SRV 0 50 80 svc-dual-stack.testns.svc.cluster.local."],
    extra: [svc("svc-dual-stack.testns", "A 10.0.0.3"), svc("svc-dual-stack.testns", "AAAA 10::3")],
  },
  {
    ask: "two-ports.testns SRV",
    want: [
      "5 IN SRV 0 50 80 two-ports.testns.svc.cluster.local.",
      "5 IN SRV 0 50 53 two-ports.testns.svc.cluster.local.",
    ],
    extra: [svc("two-ports.testns", "A 10.0.0.4")],
  },
  {
    ask: "_dns._udp.two-ports.testns SRV",
    want: ["5 IN SRV 0 100 53 two-ports.testns.svc.cluster.local."],
    extra: [svc("two-ports.testns", "A 10.0.0.4")],
  },
  {
    ask: "http.tcp.svc1.testns SRV",
    want: ["5 IN SRV 0 100 80 svc1.testns.svc.cluster.local."],
    extra: [svc("svc1.testns", "A 10.0.0.1")],
  },
  { ask: "_http._tcp.svc1.testns A", want: ["5 IN A 10.0.0.1"] },
  { ask: "_http._udp.svc1.testns SRV", want: "NXDOMAIN" },
  { ask: "_https._tcp.svc1.testns SRV", want: "NXDOMAIN" },
  {
    ask: "unnamed.testns SRV",
    want: ["5 IN SRV 0 100 81 unnamed.testns.svc.cluster.local."],
    extra: [svc("unnamed.testns", "A 10.0.0.8")],
  },
  { ask: "portless.testns A", want: ["5 IN A 10.0.0.9"] },
  { ask: "portless.testns SRV", want: "NODATA" },
  { ask: "hdlsprtls.testns A", want: ["5 IN A 172.0.0.20"] },
  { ask: "hdlsprtls.testns SRV", want: "NODATA" },
  { ask: "172-0-0-20.hdlsprtls.testns A", want: ["5 IN A 172.0.0.20"] },
  { ask: "svc1.testns AAAA", want: "NODATA" },
  { ask: "svc6.testns A", want: "NODATA" },
  { ask: "svc0.testns AAAA", want: "NXDOMAIN" },
  { ask: "svc0.testns A", want: "NXDOMAIN" },
  { ask: "svc0.svc-nons A", want: "NXDOMAIN" },
  { ask: "svc1.testns TXT", want: "NODATA" },
  { ask: "svc0.svc-nons TXT", want: "NXDOMAIN" },
  { ask: "bogusendpoint.hdls1.testns A", want: "NXDOMAIN" },
  { ask: "bogusendpoint.svc0.testns A", want: "NXDOMAIN" },
  { ask: "ep1a.svc1.testns A", want: ["5 IN A 172.0.0.1"] },
  {
    ask: "ep1a.svc1.testns SRV",
    want: ["5 IN SRV 0 100 80 ep1a.svc1.testns.svc.cluster.local."],
    extra: [svc("ep1a.svc1.testns", "A 172.0.0.1")],
  },
  { ask: "5678-abcd--1.hdls1.testns AAAA", want: ["5 IN AAAA 5678:abcd::1"] },
  { ask: "5678-abcd--1.hdls1.testns A", want: "NODATA" },
  { ask: "endpoint.external.testns CNAME", want: "NXDOMAIN" },
  { ask: "_http._tcp.external.testns SRV", want: "NXDOMAIN" },
  { ask: "external.testns SRV", want: "NODATA" },
  { ask: "external.testns TXT", want: "NODATA" },
  { ask: "external-ip.testns A", want: "NXDOMAIN" },
  { ask: "a.b.c.svc1.testns A", want: "NXDOMAIN" },
  { ask: "svc1.testns HTTPS", want: "NODATA" },
  { ask: "svc0.testns HTTPS", want: "NXDOMAIN" },
  { ask: "svc1.testns MX", want: "NODATA" },
  { ask: "svc0.testns MX", want: "NXDOMAIN" },
  { ask: "svc1.testns SOA", want: "NODATA" },
  { ask: "svc1.testns PTR", want: "NODATA" },
  { ask: "svc1.testns CNAME", want: "NODATA" },
  { ask: "svc1.testns ANY", want: ["5 IN A 10.0.0.1"] },
  { ask: "svc6.testns ANY", want: ["5 IN AAAA 1234:abcd::1"] },
  { ask: "svc0.testns ANY", want: "NXDOMAIN" },
  { ask: "external.testns ANY", want: ["5 IN CNAME ext.interwebs.test."] },
]))("S40 Service: $ask", (row) => check(row));

Deno.test.each(rows([
  { ask: "cluster.local. SOA", want: [SOA.slice(SOA.indexOf(" ") + 1)] },
  {
    ask: "cluster.local. NS",
    want: ["5 IN NS ns.dns.cluster.local."],
    extra: ["ns.dns.cluster.local. 5 IN A 169.254.20.10"],
  },
  { ask: "ns.dns.cluster.local. A", want: ["5 IN A 169.254.20.10"] },
  { ask: "ns.dns.cluster.local. AAAA", want: "NODATA" },
  { ask: "cluster.local. A", want: "NODATA" },
  { ask: "cluster.local. AAAA", want: "NODATA" },
  { ask: "cluster.local. SRV", want: "NODATA" },
  { ask: "cluster.local. HINFO", want: "NODATA" },
  { ask: "cluster.local. TXT", want: "NODATA" },
  { ask: "svc.cluster.local. A", want: "NODATA" },
  { ask: "svc.cluster.local. NS", want: "NODATA" },
  { ask: "pod.cluster.local. A", want: "NODATA" },
  { ask: "testns A", want: "NODATA" },
  { ask: "testns NS", want: "NODATA" },
  { ask: "svcns A", want: "NODATA" },
  { ask: "nsnoexist A", want: "NXDOMAIN" },
  { ask: "foo.cluster.local. A", want: "NXDOMAIN" },
  { ask: "foo.cluster.local. NS", want: "NXDOMAIN" },
  { ask: "foo.svc.cluster.local. NS", want: "NXDOMAIN" },
  { ask: "webs.testns.pood.cluster.local. A", want: "NXDOMAIN" },
  { ask: "too.long.for.what.i.am.trying.to.pod.cluster.local. A", want: "NXDOMAIN" },
  { ask: "dns-version.cluster.local. A", want: "NODATA" },
  { ask: "example.org.cluster.local. PTR", want: "NXDOMAIN" },
  { ask: "100.0.0.10.cluster.local. PTR", want: "NXDOMAIN" },
  // A search list turns every name of the Internet into such a one: it must not exist.
  { ask: "example.com.testns.svc.cluster.local. A", want: "NXDOMAIN" },
  { ask: "example.com.svc.cluster.local. A", want: "NXDOMAIN" },
  { ask: "example.com.cluster.local. A", want: "NXDOMAIN" },
]))("S40 zone: $ask", (row) => check(row));

Deno.test.each([
  "example.com. A",
  "xcluster.local. A",
  "local. A",
  ". NS",
  "9.9.9.9.in-addr.arpa. PTR",
])(
  "S40 %s is somebody else's",
  (question) => assert.equal(ask(ZONE, question).outcome, "ELSEWHERE"),
);

Deno.test.each(["AXFR", "IXFR"])("S40 %s is refused", (type) => {
  assert.equal(ask(ZONE, `cluster.local. ${type}`).outcome, "REFUSED");
});

Deno.test("S40 the case of the question is kept, also in the SOA record", () => {
  const positive = ask(ZONE, "SvC1.TeStNs.SvC.cLuStEr.LoCaL. A");
  assert.deepEqual(positive.answers, ["SvC1.TeStNs.SvC.cLuStEr.LoCaL. 5 IN A 10.0.0.1"]);
  const negative = ask(ZONE, "not-a-service.testns.svc.ClUsTeR.lOcAl. A");
  assert.deepEqual(negative.authorities, [SOA.replaceAll("cluster.local", "ClUsTeR.lOcAl")]);
  const srv = ask(ZONE, "_HtTp._TcP.sVc1.TeStNs.SvC.cLuStEr.LoCaL. SRV");
  assert.deepEqual(srv.answers, [
    "_HtTp._TcP.sVc1.TeStNs.SvC.cLuStEr.LoCaL. 5 IN SRV 0 100 80 svc1.testns.svc.cluster.local.",
  ]);
  const soa = ask(ZONE, "Cluster.local. SOA");
  assert.deepEqual(soa.answers, [SOA.replaceAll("cluster.local", "Cluster.local")]);
});

Deno.test("S40 the TTL is the one that is set, that of SOA records at most 300 s", () => {
  const zone = zoneOf(SPECIFICATION_CLUSTER, { ttlSeconds: 600 });
  assert.deepEqual(ask(zone, "svc1.testns.svc.cluster.local. A").answers, [
    "svc1.testns.svc.cluster.local. 600 IN A 10.0.0.1",
  ]);
  const [soa = ""] = ask(zone, "svc0.testns.svc.cluster.local. A").authorities;
  assert.match(soa, /^cluster\.local\. 300 IN SOA .* 600$/);
});

Deno.test("S40 with ignoreEmptyService a Service without ready endpoints does not exist", () => {
  const zone = zoneOf(SPECIFICATION_CLUSTER, { ignoreEmptyService: true });
  check({ ask: "svcempty.testns A", want: "NXDOMAIN" }, zone);
  check({ ask: "svc1.testns A", want: ["5 IN A 10.0.0.1"] }, zone);
  check({ ask: "external.testns CNAME", want: ["5 IN CNAME ext.interwebs.test."] }, zone);
});

Deno.test("S40 the name servers are the Services that this server is an endpoint of", () => {
  const zone = zoneOf({
    services: [
      service("kube-system", "dns-service", { clusterIP: "10.0.0.111" }),
      service("kube-system", "hdls-dns-service", { clusterIP: "None" }),
      service("kube-system", "dns6-service", { clusterIP: "10::111" }),
    ],
    slices: ["dns-service", "hdls-dns-service", "dns6-service"].map((name) =>
      slice("kube-system", `${name}-a`, name, ["10.244.0.20"])
    ),
  }, { nameServers: ["10.244.0.20"] });
  const got = ask(zone, "cluster.local. NS");
  const names = ["dns-service", "10-244-0-20.hdls-dns-service", "dns6-service"]
    .map((name) => `${name}.kube-system.svc.cluster.local.`).sort();
  assert.deepEqual(
    got.answers.toSorted(),
    names.map((name) => `cluster.local. 5 IN NS ${name}`).sort(),
  );
  assert.equal(got.additionals.length, 3);
  assert.deepEqual(ask(zone, "ns.dns.cluster.local. A").answers.map((a) => a.split(" ").at(-1)), [
    "10.0.0.111",
    "10.244.0.20",
  ]);
});

Deno.test("S40 what is not found is SERVFAIL and not NXDOMAIN until the zone is whole", () => {
  const zone = zoneOf(SPECIFICATION_CLUSTER);
  zone.synced = false;
  assert.deepEqual(ask(zone, "svc0.testns.svc.cluster.local. A"), {
    outcome: "SERVFAIL",
    answers: [],
    authorities: [],
    additionals: [],
  });
  check({ ask: "svc1.testns A", want: ["5 IN A 10.0.0.1"] }, zone);
});
