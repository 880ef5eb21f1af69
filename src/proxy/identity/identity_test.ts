import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import { FakeFs } from "../../../tests/testing/fake_fs.ts";
import { hashToken } from "../upstream/credentials.ts";
import { Identities } from "./identity.ts";

const STATE = "/var/lib/edge-agent";
const CONFIGS = [
  { name: "kubelet", tokenFile: "/etc/kubelet.token" },
  { name: "kube-proxy", tokenFile: "/etc/kube-proxy.token" },
];
const FILES = {
  [`${STATE}/tokens/kubelet`]: "local-kubelet\n",
  [`${STATE}/tokens/kube-proxy`]: "local-kube-proxy\n",
  "/etc/kubelet.token": "cloud-kubelet",
};

async function load(options: { passthrough?: boolean; files?: Record<string, string> } = {}) {
  const fs = new FakeFs(options.files ?? FILES);
  let made = 0;
  const loaded = await Identities.load(CONFIGS, {
    stateDir: STATE,
    passthrough: options.passthrough ?? true,
    fs,
    clock: new FakeClock(),
    randomToken: () => `made-${++made}`,
  });
  return { fs, ...loaded };
}

const bearer = (token: string, more: Record<string, string> = {}) =>
  new Headers({ authorization: `Bearer ${token}`, ...more });

Deno.test("callerOf() knows an identity by its local token, with one key for all its requests", async () => {
  const { identities } = await load();
  const want = { kind: "identity", name: "kubelet", key: "identity:kubelet" };
  for (const agent of ["kubelet/v1.35.0", "kubectl/v1.35.0", ""]) {
    assert.deepEqual(identities.callerOf(bearer("local-kubelet", { "user-agent": agent })), want);
  }
});

Deno.test.each(["bearer local-kubelet", "BEARER   local-kubelet"])(
  "callerOf() reads the scheme in any case: %s",
  async (authorization) => {
    const { identities } = await load();
    const caller = identities.callerOf(new Headers({ authorization }));
    assert.equal(caller.key, "identity:kubelet");
  },
);

Deno.test("callerOf() takes nobody for an identity by what anybody can say", async () => {
  const { identities } = await load();
  const spoofed = {
    "user-agent": "kubelet/v1.35.0",
    "x-remote-user": "system:node:n1",
    "x-forwarded-client-cert": "CN=system:node:n1",
    "impersonate-user": "system:node:n1",
  };
  assert.equal(identities.callerOf(new Headers(spoofed)).kind, "anonymous");
  assert.equal(identities.callerOf(bearer("guess", spoofed)).kind, "bearer");
});

Deno.test("callerOf() gives each unknown bearer a key of its own that hides the token", async () => {
  const { identities } = await load();
  const [a, again, b] = ["one", "one", "two"].map((token) => identities.callerOf(bearer(token)));
  assert.equal(a!.kind, "bearer");
  assert.deepEqual(a, again);
  assert.notEqual(a!.key, b!.key);
  assert.equal(a!.key, `bearer:${hashToken("one")}`);
});

Deno.test.each([
  { name: "no header", headers: {} },
  { name: "an empty bearer", headers: { authorization: "Bearer " } },
  { name: "a password", headers: { authorization: "Basic a2I6a2I=" } },
  { name: "two words", headers: { authorization: "Bearer local-kubelet x" } },
])("callerOf() takes $name for anonymous", async ({ headers }) => {
  const { identities } = await load();
  const caller = identities.callerOf(new Headers(headers as Record<string, string>));
  assert.deepEqual(caller, { kind: "anonymous", key: "anonymous" });
});

Deno.test("callerOf() takes an unknown bearer for anonymous when none is let through", async () => {
  const { identities } = await load({ passthrough: false });
  assert.equal(identities.callerOf(bearer("one")).kind, "anonymous");
  assert.equal(identities.callerOf(bearer("local-kubelet")).kind, "identity");
});

Deno.test("load() makes the tokens that are missing, for their owner alone", async () => {
  const { fs, tokens, identities } = await load({
    files: { [`${STATE}/tokens/kube-proxy`]: "local-kube-proxy\n" },
  });
  assert.deepEqual([...tokens], [["kubelet", "made-1"], ["kube-proxy", "local-kube-proxy"]]);
  assert.equal(await fs.readText(`${STATE}/tokens/kubelet`), "made-1\n");
  assert.equal(fs.modeOf(`${STATE}/tokens/kubelet`), 0o600);
  assert.equal(fs.modeOf(`${STATE}/tokens`), 0o700);
  assert.equal(identities.callerOf(bearer("made-1")).key, "identity:kubelet");
});

Deno.test("load() makes a token anew when a crash left its file empty", async () => {
  const { identities } = await load({ files: { ...FILES, [`${STATE}/tokens/kubelet`]: "\n" } });
  assert.equal(identities.callerOf(bearer("made-1")).key, "identity:kubelet");
});

Deno.test("credential() is the identity's own, a bearer's own token, or nothing", async () => {
  const { identities } = await load();
  const shown = async (headers: Headers) =>
    (await identities.credential(identities.callerOf(headers))).token;
  assert.equal(await shown(bearer("local-kubelet")), "cloud-kubelet");
  assert.equal(await shown(bearer("pod-token")), "pod-token");
  assert.equal(await shown(new Headers()), undefined);
});

Deno.test("credential() throws while an identity's files are missing, and unusable() names it", async () => {
  const { identities } = await load();
  const caller = identities.callerOf(bearer("local-kube-proxy"));
  await assert.rejects(identities.credential(caller), /kube-proxy\.token/);
  const [first, ...others] = await identities.unusable();
  assert.deepEqual([first?.name, others], ["kube-proxy", []]);
  assert.match(first?.error ?? "", /kube-proxy\.token/);
});

Deno.test("credentialOf() finds who asked by their key alone", async () => {
  const { identities } = await load();
  const { key } = identities.callerOf(bearer("pod-token"));
  assert.equal((await identities.credentialOf(key)).token, "pod-token");
  assert.equal((await identities.credentialOf("identity:kubelet")).token, "cloud-kubelet");
  await assert.rejects(identities.credentialOf("bearer:unknown"), /not known/);
});

Deno.test("credentialOf() forgets the bearers not seen for longest when there are too many", async () => {
  const { identities } = await load();
  const keys = Array.from({ length: 1_000 }, (_, i) => identities.callerOf(bearer(`t${i}`)).key);
  identities.callerOf(bearer("t0"));
  identities.callerOf(bearer("one-more"));
  assert.equal((await identities.credentialOf(keys[0]!)).token, "t0");
  await assert.rejects(identities.credentialOf(keys[1]!));
});

Deno.test("named() is the identity of that name, or a RangeError", async () => {
  const { identities } = await load();
  assert.equal(identities.named("kubelet").key, "identity:kubelet");
  assert.throws(() => identities.named("other"), RangeError);
});
