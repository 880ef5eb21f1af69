import assert from "node:assert/strict";
import * as z from "zod/mini";
import { ConfigError, loadConfig } from "../config/load.ts";
import { AgentConfig } from "./agent_config.ts";

const PATH = "/etc/edge-agent/config.yaml";

function load(text: string) {
  return loadConfig(AgentConfig, { file: { path: PATH, text }, env: {}, flags: [] }).config;
}

/** What is wrong with a text, as `source: message` without the file's name. */
function errorsOf(text: string): string[] {
  try {
    load(text);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.issues.map(({ source, message }) => `${source.replace(PATH, "")} ${message}`);
  }
  return [];
}

const proxy = (rest: string) =>
  `proxy:
  upstream: {server: "https://10.0.0.1:6443"}
  ${rest}
`;

Deno.test("AgentConfig has a default for everything that is no module", () => {
  assert.deepEqual(load(""), {
    stateDir: "/var/lib/edge-agent",
    log: { level: "info", format: "auto" },
    admin: { listen: { hostname: "127.0.0.1", port: 51004 } },
  });
});

Deno.test("AgentConfig opens no listener to the network unless told to", () => {
  const config = load(proxy(""));
  assert.equal(config.proxy?.listen.hostname, "127.0.0.1");
  assert.equal(config.admin.listen.hostname, "127.0.0.1");
  assert.equal(config.proxy?.plain, undefined);
});

Deno.test("AgentConfig writes scalars as people do when encoded, and reads them back", () => {
  const config = load(proxy("eventWindow: {maxBytes: 4Mi}"));
  const written = z.encode(AgentConfig, config);
  assert.equal(written.admin?.listen, "127.0.0.1:51004");
  assert.equal(written.proxy?.eventWindow?.maxBytes, "4Mi");
  assert.deepEqual(load(JSON.stringify(written)), config);
});

Deno.test.each([
  {
    name: "an upstream without an address",
    text: "proxy:\n  upstream: {caFile: /ca.crt}\n",
    want: [
      `:2:3 proxy.upstream needs "kubeconfig", "server" or "servers" to know where the kube-apiserver is`,
    ],
  },
  {
    name: "servers of which one is not safe",
    text: "proxy:\n  upstream: {server: 'https://a:1', servers: ['https://b:1', 'http://c:1']}\n",
    want: [
      `:2:62 proxy.upstream.servers[1] must be as safe as the others: either all are https:// or none is (it is "http://c:1")`,
    ],
  },
  {
    name: "an identity without a credential",
    text: proxy("identities: [{name: a}]"),
    want: [
      `:3:16 proxy.identities[0] needs a credential for the cloud: one of "kubeconfig", "certFile" (with "keyFile") and "tokenFile"`,
    ],
  },
  {
    name: "an identity with two kinds of credential",
    text: proxy("identities: [{name: a, kubeconfig: /k, tokenFile: /t}]"),
    want: [
      `:3:16 proxy.identities[0] must have one kind of credential: it has "kubeconfig" and "tokenFile"`,
    ],
  },
  {
    name: "a key without its certificate",
    text: proxy("identities: [{name: a, tokenFile: /t, keyFile: /k}]"),
    want: [`:3:16 proxy.identities[0] has a "keyFile" without a "certFile"`],
  },
  {
    name: "two identities of one name",
    text: proxy("identities: [{name: a, tokenFile: /t}, {name: a, certFile: /c, keyFile: /k}]"),
    want: [
      `:3:43 proxy.identities[1].name must differ from that of proxy.identities[0] (it is "a")`,
    ],
  },
  {
    name: "two identities of one certificate",
    text: proxy(
      "clientCA: /ca\n  identities: [{name: a, tokenFile: /t, commonName: x}, {name: b, tokenFile: /t, commonName: x}]",
    ),
    want: [
      `:4:82 proxy.identities[1].commonName must differ from that of proxy.identities[0] (it is "x")`,
    ],
  },
  {
    name: "a certificate that nothing can verify",
    text: proxy("identities: [{name: a, tokenFile: /t, commonName: x}]"),
    want: [
      `:3:41 proxy.identities[0].commonName needs "proxy.clientCA", which client certificates are verified with (it is "x")`,
    ],
  },
  {
    name: "authorities of clients that nobody would be known by",
    text: proxy("clientCA: /ca\n  identities: [{name: a, tokenFile: /t}]"),
    want: [
      `:3:3 proxy.clientCA needs a "commonName" in one of proxy.identities, or it would know nobody (it is "/ca")`,
    ],
  },
  {
    name: "a filter for nobody",
    text: proxy("identities: [{name: a, tokenFile: /t}]\n  filters: {localDns: {}}"),
    want: [
      `:4:13 proxy.filters.localDns.identities[0] must be the name of one of proxy.identities: there is no "kube-proxy"`,
    ],
  },
  {
    name: "a filter of what is no Service and no address",
    text: proxy(
      "identities: [{name: kube-proxy, tokenFile: /t}]\n  filters: {localDns: {service: kube-dns, address: node}}",
    ),
    want: [
      `:4:43 proxy.filters.localDns.address must be an IP address (it is "node")`,
      `:4:24 proxy.filters.localDns.service must be namespace/name (it is "kube-dns")`,
    ],
  },
  {
    name: "a filter that leads past the name server",
    text: proxy(
      "identities: [{name: kube-proxy, tokenFile: /t}]\n  filters: {localDns: {address: 169.254.20.11}}\ndns: {}",
    ),
    want: [
      `:4:24 proxy.filters.localDns.address must be where dns.listen is, at port 53: that is 169.254.20.10:53 (it is "169.254.20.11")`,
    ],
  },
  {
    name: "a filter that leads to a port without a name server",
    text: proxy(
      "identities: [{name: kube-proxy, tokenFile: /t}]\n  filters: {localDns: {}}\ndns: {listen: '169.254.20.10:54'}",
    ),
    want: [
      `:4:13 proxy.filters.localDns.address must be where dns.listen is, at port 53: that is 169.254.20.10:54`,
    ],
  },
  {
    name: "a plain listener for nobody",
    text: proxy("plain: {listen: '127.0.0.1:8001', identity: a}"),
    want: [`:3:37 proxy.plain.identity must be the name of one of proxy.identities (it is "a")`],
  },
  {
    name: "a plain listener for everybody",
    text: proxy(
      "identities: [{name: a, tokenFile: /t}]\n  plain: {listen: '0.0.0.0:8001', identity: a}",
    ),
    want: [
      `:4:11 proxy.plain.listen must be a loopback address such as 127.0.0.1, as everyone who reaches it is taken for the identity (it is "0.0.0.0:8001")`,
    ],
  },
])("AgentConfig refuses $name", ({ text, want }) => {
  assert.deepEqual(errorsOf(text), want);
});

Deno.test.each(["127.0.0.1:1", "127.8.0.1:1", "[::1]:1", "localhost:1"])(
  "AgentConfig allows a plain listener on %s",
  (listen) => {
    const text = proxy(
      `identities: [{name: a, tokenFile: /t}]\n  plain: {listen: '${listen}', identity: a}`,
    );
    assert.deepEqual(errorsOf(text), []);
  },
);

Deno.test("AgentConfig tells what doesn't fit together along with everything else", () => {
  const text = `statedir: /x
log: {level: verbose}
proxy:
  listen: 51003
  upstream: {caFile: ca.crt}
  identities:
    - {name: kubelet, certfile: /c}
    - 7
  plain: {listen: nowhere, identity: x}
`;
  assert.deepEqual(errorsOf(text).sort(), [
    `:1:1 statedir is no known key (it is "/x"): did you mean "stateDir"?`,
    `:2:7 log.level must be one of "debug", "info", "warn", "error" (it is "verbose")`,
    `:4:3 proxy.listen must be host:port, such as "127.0.0.1:51003" (it is 51003)`,
    `:5:14 proxy.upstream.caFile must be an absolute path, such as "/etc/edge-agent/ca.crt" (it is "ca.crt")`,
    `:5:3 proxy.upstream needs "kubeconfig", "server" or "servers" to know where the kube-apiserver is`,
    `:7:23 proxy.identities[0].certfile is no known key (it is "/c"): did you mean "proxy.identities[0].certFile"?`,
    `:7:7 proxy.identities[0] needs a credential for the cloud: one of "kubeconfig", "certFile" (with "keyFile") and "tokenFile"`,
    `:8:7 proxy.identities[1] must be a section of keys (it is 7)`,
    `:9:11 proxy.plain.listen must be host:port, such as "127.0.0.1:51003" or "[::1]:51003" (it is "nowhere")`,
    `:9:28 proxy.plain.identity must be the name of one of proxy.identities (it is "x")`,
  ]);
});
