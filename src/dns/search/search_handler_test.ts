import assert from "node:assert/strict";
import { handledOf, request, ScriptedHandler, shown } from "../../../tests/testing/dns_chain.ts";
import { a, soa } from "../../../tests/testing/fake_dns_network.ts";
import { createFailure, type DnsRequest } from "../chain.ts";
import { SearchHandler } from "./search_handler.ts";
import { restOfSearchPath } from "./search_path.ts";

const ZONE = "cluster.local";
const POD = { address: "10.42.0.9", port: 4_000 };

/** Names with an address; `nodata` ones exist without; `lost` ones can't be resolved. */
function start({ exist = [], nodata = [], lost = [] }: {
  exist?: readonly string[];
  nodata?: readonly string[];
  lost?: readonly string[];
}) {
  const behind = new ScriptedHandler(({ query: { name } }) => {
    const source = name.endsWith(ZONE) ? "cluster" : "upstream";
    if (exist.includes(name)) return handledOf(name, { answers: [a(name, "1.1.1.1", 60)] }, source);
    if (lost.includes(name)) return createFailure(2, "lost", 22);
    const rcode = nodata.includes(name) ? 0 : 3;
    return handledOf(name, { rcode, authorities: [soa(ZONE, 5, 5)] }, source);
  });
  const handler = new SearchHandler({
    zone: ZONE,
    hostDomains: () => ["corp.example"],
    podOf: (address) => address === POD.address ? { namespace: "web" } : undefined,
  });
  const ask = async (name: string, fields: Partial<DnsRequest["query"]> = {}, client = POD) => {
    const asked = { ...request(name, fields), client };
    return shown(asked, await handler.handle(asked, behind.next));
  };
  return { behind, ask };
}

Deno.test("restOfSearchPath() lists what a pod's resolver asks for next", () => {
  const rest = (name: string, hostDomains = ["corp.example", "cluster.local"]) =>
    restOfSearchPath(name, { namespace: "web", zone: ZONE, hostDomains });
  assert.deepEqual(rest("api.example.com.web.svc.cluster.local"), [
    "api.example.com.svc.cluster.local",
    "api.example.com.cluster.local",
    "api.example.com.corp.example",
    "api.example.com",
  ]);
  for (
    const name of [
      "web.svc.cluster.local",
      ".web.svc.cluster.local".slice(1),
      "api.other.svc.cluster.local",
      "api.myweb.svc.cluster.local",
      "api.example.com",
    ]
  ) assert.equal(rest(name), undefined, name);
  const long = `${"a".repeat(63)}.`.repeat(3) + "b".repeat(30);
  const names = rest(`${long}.web.svc.cluster.local`, ["d".repeat(63)]);
  assert.deepEqual(names?.at(-1), long);
  assert.ok(names.every((name) => name.length <= 253));
});

Deno.test.each([
  {
    name: "an external name",
    exist: ["api.example.com"],
    want:
      "api.example.com.web.svc.cluster.local. 5 IN CNAME api.example.com. api.example.com. 60 IN A 1.1.1.1",
  },
  {
    name: "a service of another namespace",
    exist: ["api.example.com.svc.cluster.local", "api.example.com"],
    want:
      "api.example.com.web.svc.cluster.local. 5 IN CNAME api.example.com.svc.cluster.local. api.example.com.svc.cluster.local. 60 IN A 1.1.1.1",
  },
  {
    name: "a name of a domain of the host",
    exist: ["api.example.com.corp.example"],
    want:
      "api.example.com.web.svc.cluster.local. 5 IN CNAME api.example.com.corp.example. api.example.com.corp.example. 60 IN A 1.1.1.1",
  },
  {
    name: "a name without addresses of this kind",
    exist: [],
    nodata: ["api.example.com"],
    want: "api.example.com.web.svc.cluster.local. 5 IN CNAME api.example.com.",
  },
])("SearchHandler answers the first name of a search path with $name", async (row) => {
  const { ask } = start(row);
  const got = await ask("api.example.com.web.svc.cluster.local");
  assert.equal(got, `search NOERROR ${row.want}`);
});

Deno.test("SearchHandler makes one round trip of five", async () => {
  const { behind, ask } = start({ exist: ["api.example.com"] });
  await ask("api.example.com.web.svc.cluster.local");
  assert.equal(behind.asked.length, 5, "asked inside, not by the client");
});

Deno.test.each([
  { name: "that exists", exist: ["a.web.svc.cluster.local", "a"], want: /^cluster NOERROR a\./ },
  {
    name: "that exists without addresses",
    exist: ["a"],
    nodata: ["a.web.svc.cluster.local"],
    want: /^cluster NOERROR$/,
  },
  { name: "with nothing on the path", exist: [], want: /^cluster NXDOMAIN$/ },
  {
    name: "when it is not known what the path leads to",
    exist: ["a"],
    lost: ["a.corp.example"],
    want: /^cluster NXDOMAIN$/,
  },
])("SearchHandler leaves a name as it is $name", async ({ want, ...row }) => {
  assert.match(await start(row).ask("a.web.svc.cluster.local"), want);
});

Deno.test("SearchHandler leaves the questions of others and of other kinds as they are", async () => {
  const { behind, ask } = start({ exist: ["a.example"] });
  const first = "a.example.web.svc.cluster.local";
  const host = { address: "192.168.1.2", port: 4_000 };
  const edns = { udpSizeBytes: 1232, version: 0, dnssecOk: true, options: [] };
  assert.equal(await ask(first, {}, host), "cluster NXDOMAIN", "a pod of the host's network");
  assert.equal(await ask(first, { type: 33 }), "cluster NXDOMAIN");
  assert.equal(await ask(first, { class: 3 }), "cluster NXDOMAIN");
  assert.equal(await ask(first, { edns }), "cluster NXDOMAIN");
  assert.equal(await ask("a.example.other.svc.cluster.local"), "cluster NXDOMAIN");
  assert.equal(behind.asked.length, 5);
  assert.match(await ask(first, { type: 28 }), /^search NOERROR/);
});
