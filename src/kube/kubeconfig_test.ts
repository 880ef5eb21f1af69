import assert from "node:assert/strict";
import { FakeFs } from "../../tests/testing/fake_fs.ts";
import { UsageError } from "../kernel/errors.ts";
import { formatKubeconfig, parseKubeconfig } from "./kubeconfig.ts";

const PATH = "/etc/kubernetes/kubelet.conf";

const kubeconfig = (user: string, cluster = "server: https://10.0.0.1:6443/") => `
apiVersion: v1
kind: Config
current-context: main
contexts:
  - { name: other, context: { cluster: nowhere, user: nobody } }
  - { name: main, context: { cluster: c, user: u } }
clusters:
  - { name: c, cluster: { ${cluster} } }
users:
  - { name: u, user: { ${user} } }
`;

const FILES = {
  "/var/lib/kubelet/pki/current.pem": "PEM",
  "/etc/kubernetes/pki/key.pem": "KEY",
  "/etc/kubernetes/ca.crt": "CA",
  "/etc/kubernetes/token": "from-file\n",
};

const parse = (text: string) => parseKubeconfig(text, PATH, new FakeFs(FILES));

Deno.test("parseKubeconfig() takes server and authority of the current context", async () => {
  const parsed = parse(
    kubeconfig("token: t", "server: https://a:6443/, certificate-authority: ca.crt"),
  );
  assert.equal(parsed.server, "https://a:6443");
  assert.equal(await parsed.ca(), "CA");
});

Deno.test.each([
  { name: "none", cluster: "server: https://a", want: undefined },
  {
    name: "its text",
    cluster: `server: https://a, certificate-authority-data: ${btoa("X")}`,
    want: "X",
  },
])("ca() is $want when the kubeconfig holds $name", async ({ cluster, want }) => {
  assert.equal(await parse(kubeconfig("token: t", cluster)).ca(), want);
});

Deno.test.each([
  {
    name: "absolute and relative files",
    user: "client-certificate: /var/lib/kubelet/pki/current.pem, client-key: pki/key.pem",
    want: { certificate: { cert: "PEM", key: "KEY" } },
    files: ["/var/lib/kubelet/pki/current.pem", "/etc/kubernetes/pki/key.pem"],
  },
  {
    name: "texts inside",
    user: `client-certificate-data: ${btoa("C")}, client-key-data: ${btoa("K")}`,
    want: { certificate: { cert: "C", key: "K" } },
    files: [],
  },
  { name: "a token", user: "token: abc", want: { token: "abc" }, files: [] },
  {
    name: "a token file beside the kubeconfig, which wins",
    user: "tokenFile: token, token: abc",
    want: { token: "from-file" },
    files: ["/etc/kubernetes/token"],
  },
])("credential() reads $name", async ({ user, want, files }) => {
  const parsed = parse(kubeconfig(user));
  assert.deepEqual(await parsed.credential(), want);
  assert.deepEqual(parsed.credentialFiles(), files);
});

Deno.test.each([
  { name: "an exec plugin", user: "exec: { command: aws }", match: /exec plugins/ },
  { name: "a password", user: "username: a, password: b", match: /passwords/ },
  {
    name: "a certificate without a key",
    user: "client-certificate-data: Q0==",
    match: /no client/,
  },
  { name: "a broken certificate", user: 'client-certificate-data: "***"', match: /not base64/ },
])("credential() throws a UsageError when the user has $name", async ({ user, match }) => {
  await assert.rejects(parse(kubeconfig(user)).credential(), (error) => {
    assert.ok(error instanceof UsageError);
    assert.match(error.message, match);
    assert.ok(error.message.includes(PATH));
    return true;
  });
});

Deno.test.each([
  { name: "no YAML", text: "a: [", match: /Cannot read/ },
  { name: "empty", text: "", match: /not a YAML mapping/ },
  { name: "a text", text: "abc", match: /not a YAML mapping/ },
  { name: "without a current context", text: "kind: Config", match: /no context named/ },
  {
    name: "pointing to a cluster that is not there",
    text: kubeconfig("token: t").replace("name: c, cluster", "name: d, cluster"),
    match: /no cluster named "c"/,
  },
  { name: "without a server", text: kubeconfig("token: t", "x: y"), match: /has no server/ },
])("parseKubeconfig() throws a UsageError when the file is $name", ({ text, match }) => {
  assert.throws(() => parse(text), (error) => {
    assert.ok(error instanceof UsageError);
    assert.match(error.message, match);
    return true;
  });
});

Deno.test("formatKubeconfig() is read back by parseKubeconfig()", async () => {
  const options = {
    server: "https://127.0.0.1:51003",
    caPem: "CA",
    token: "t: x",
    name: "kubelet",
  };
  const parsed = parse(formatKubeconfig(options));
  assert.equal(parsed.server, options.server);
  assert.equal(await parsed.ca(), "CA");
  assert.deepEqual(await parsed.credential(), { token: "t: x" });
});
