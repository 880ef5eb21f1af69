import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import { FakeFs } from "../../../tests/testing/fake_fs.ts";
import { hashToken } from "../upstream/credentials.ts";
import { Identities } from "./identity.ts";
import { LocalTokens } from "./local_tokens.ts";

const STATE = "/var/lib/edge-agent";
const CONFIGS = [
  { name: "kubelet", tokenFile: "/etc/kubelet.token", commonName: "system:node:edge-1" },
  { name: "kube-proxy", tokenFile: "/etc/kube-proxy.token" },
];
const FILES = {
  [`${STATE}/tokens/kubelet`]: "token-of-the-kubelet\n",
  [`${STATE}/tokens/kube-proxy`]: "token-of-kube-proxy\n",
  "/etc/kubelet.token": "cloud-kubelet",
};

/** Identities; the tokens `pod-a-…` prove the ServiceAccount a, the newest unless it was refused. */
async function load(options: { passthrough?: boolean; proven?: string[] } = {}) {
  const fs = new FakeFs(FILES);
  const names = CONFIGS.map(({ name }) => name);
  const randomToken = () => "never needed here";
  const tokens = await LocalTokens.load(names, { stateDir: STATE, fs, randomToken });
  const refused: string[] = [];
  let newest: string | undefined;
  const identities = new Identities(CONFIGS, {
    passthrough: options.passthrough ?? true,
    isProven: (key) => options.proven?.includes(key) ?? false,
    tokens,
    serviceAccounts: {
      subjectOf(token) {
        if (!token.startsWith("pod-a-")) return Promise.resolve(undefined);
        newest = token;
        return Promise.resolve("system:serviceaccount:ns:a");
      },
      tokenOf: (key) => key === "serviceaccount:ns:a" ? newest : undefined,
      refused: (token) => refused.push(token),
      forget() {},
    },
    fs,
    clock: new FakeClock(),
  });
  return { fs, identities, refused };
}

const bearer = (token: string, more: Record<string, string> = {}) =>
  new Headers({ authorization: `Bearer ${token}`, ...more });

Deno.test("callerOf() knows an identity by its local token, with one key for all its requests", async () => {
  const { identities } = await load();
  const want = { kind: "identity", name: "kubelet", key: "identity:kubelet" };
  for (const agent of ["kubelet/v1.35.0", "kubectl/v1.35.0", ""]) {
    assert.deepEqual(
      await identities.callerOf(bearer("token-of-the-kubelet", { "user-agent": agent })),
      want,
    );
  }
});

Deno.test.each(["bearer token-of-the-kubelet", "BEARER   token-of-the-kubelet"])(
  "callerOf() reads the scheme in any case: %s",
  async (authorization) => {
    const { identities } = await load();
    const caller = await identities.callerOf(new Headers({ authorization }));
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
  assert.equal((await identities.callerOf(new Headers(spoofed))).kind, "anonymous");
  assert.equal((await identities.callerOf(bearer("guess", spoofed))).kind, "bearer");
});

Deno.test("callerOf() gives each unknown bearer a key of its own that hides the token", async () => {
  const { identities } = await load();
  const [a, again, b] = await Promise.all(
    ["one", "one", "two"].map((token) => identities.callerOf(bearer(token))),
  );
  assert.equal(a!.kind, "bearer");
  assert.deepEqual(a, again);
  assert.notEqual(a!.key, b!.key);
  assert.equal(a!.key, `bearer:${hashToken("one")}`);
});

Deno.test.each([
  { name: "no header", headers: {} },
  { name: "an empty bearer", headers: { authorization: "Bearer " } },
  { name: "a password", headers: { authorization: "Basic a2I6a2I=" } },
  { name: "two words", headers: { authorization: "Bearer token-of-the-kubelet x" } },
])("callerOf() takes $name for anonymous", async ({ headers }) => {
  const { identities } = await load();
  const caller = await identities.callerOf(new Headers(headers as Record<string, string>));
  assert.deepEqual(caller, { kind: "anonymous", key: "anonymous" });
});

Deno.test("callerOf() takes an unknown bearer for anonymous when none is let through", async () => {
  const { identities } = await load({ passthrough: false });
  assert.equal((await identities.callerOf(bearer("one"))).kind, "anonymous");
  assert.equal((await identities.callerOf(bearer("token-of-the-kubelet"))).kind, "identity");
});

Deno.test("callerOf() gives every token of a ServiceAccount one key, and its own token upstream", async () => {
  const { identities } = await load();
  const [one, two] = [
    await identities.callerOf(bearer("pod-a-1")),
    await identities.callerOf(bearer("pod-a-2")),
  ];
  assert.deepEqual([one.key, two.key], ["serviceaccount:ns:a", "serviceaccount:ns:a"]);
  assert.equal((await identities.credential(one)).token, "pod-a-1");
  assert.equal((await identities.credentialOf(one.key)).token, "pod-a-2");
});

const NODE = { commonName: "system:node:edge-1" };

Deno.test("callerOf() knows an identity by a verified certificate when nothing else is said", async () => {
  const { identities } = await load();
  const want = { kind: "identity", name: "kubelet", key: "identity:kubelet" };
  assert.deepEqual(await identities.callerOf(new Headers(), NODE), want);
  for (const commonName of ["system:node:edge-2", "kubelet", "undefined", "SYSTEM:NODE:EDGE-1"]) {
    const caller = await identities.callerOf(new Headers(), { commonName });
    assert.equal(caller.kind, "anonymous", commonName);
  }
});

Deno.test.each([
  { name: "a made-up token", headers: bearer("guess"), want: `bearer:${hashToken("guess")}` },
  { name: "a pod's token", headers: bearer("pod-a-1"), want: "serviceaccount:ns:a" },
  {
    name: "another identity's token",
    headers: bearer("token-of-kube-proxy"),
    want: "identity:kube-proxy",
  },
  {
    name: "an empty bearer",
    headers: new Headers({ authorization: "Bearer " }),
    want: "anonymous",
  },
  { name: "nothing in the header", headers: new Headers({ authorization: "" }), want: "anonymous" },
  { name: "a password", headers: new Headers({ authorization: "Basic YTpi" }), want: "anonymous" },
  {
    name: "two headers",
    headers: new Headers([["authorization", "Bearer guess"], ["authorization", "Bearer x"]]),
    want: "anonymous",
  },
])("callerOf() judges $name beside a certificate by itself", async ({ headers, want }) => {
  const { identities } = await load();
  assert.equal((await identities.callerOf(headers, NODE)).key, want);
});

Deno.test("answered() marks an identity's credential and refuses a bearer's token on 401", async () => {
  const { identities, refused } = await load();
  const caller = await identities.callerOf(bearer("token-of-the-kubelet"));
  const credential = await identities.credential(caller);
  const errorOf = () => identities.status()[0]?.error;
  assert.equal(errorOf(), undefined);
  identities.answered(caller.key, credential, 401);
  assert.match(errorOf() ?? "", /401/);
  identities.answered(caller.key, credential, 403);
  assert.equal(errorOf(), undefined);
  identities.answered("serviceaccount:ns:a", { token: "pod-a-1" }, 200);
  identities.answered("serviceaccount:ns:a", { token: "pod-a-2" }, 401);
  assert.deepEqual(refused, ["pod-a-2"]);
});

Deno.test("credential() is the identity's own, a bearer's own token, or nothing", async () => {
  const { identities } = await load();
  const shown = async (headers: Headers) =>
    (await identities.credential(await identities.callerOf(headers))).token;
  assert.equal(await shown(bearer("token-of-the-kubelet")), "cloud-kubelet");
  assert.equal(await shown(bearer("pod-token")), "pod-token");
  assert.equal(await shown(new Headers()), undefined);
});

Deno.test("credential() throws while an identity's files are missing, and unusable() names it", async () => {
  const { identities } = await load();
  const caller = await identities.callerOf(bearer("token-of-kube-proxy"));
  await assert.rejects(identities.credential(caller), /kube-proxy\.token/);
  const [first, ...others] = await identities.unusable();
  assert.deepEqual([first?.name, others], ["kube-proxy", []]);
  assert.match(first?.error ?? "", /kube-proxy\.token/);
});

Deno.test("credentialOf() finds who asked by their key alone", async () => {
  const { identities } = await load();
  const { key } = await identities.callerOf(bearer("a-token"));
  identities.answered(key, { token: "a-token" }, 200);
  assert.equal((await identities.credentialOf(key)).token, "a-token");
  assert.equal((await identities.credentialOf("identity:kubelet")).token, "cloud-kubelet");
  await assert.rejects(identities.credentialOf("bearer:unknown"), /no good bearer token/);
});

Deno.test("credentialOf() knows a bearer whom the cloud accepted in a former process", async () => {
  const key = `bearer:${hashToken("a-token")}`;
  const { identities } = await load({ proven: [key] });
  await identities.callerOf(bearer("a-token"));
  assert.equal((await identities.credentialOf(key)).token, "a-token");
});

Deno.test("credentialOf() forgets the bearers not seen for longest when there are too many", async () => {
  const { identities } = await load();
  const keyOf = (token: string) => `bearer:${hashToken(token)}`;
  const accept = (token: string) => identities.answered(keyOf(token), { token }, 200);
  for (let i = 0; i < 1_000; i++) accept(`t${i}`);
  accept("t0");
  accept("one-more");
  assert.equal((await identities.credentialOf(keyOf("t0"))).token, "t0");
  await assert.rejects(identities.credentialOf(keyOf("t1")));
});

Deno.test("credentialOf() forgets nobody for tokens that the cloud never accepted", async () => {
  const { identities } = await load();
  const { key } = await identities.callerOf(bearer("a-token"));
  identities.answered(key, { token: "a-token" }, 200);
  for (let i = 0; i < 1_001; i++) {
    const made = await identities.callerOf(bearer(`made-up-${i}`));
    identities.answered(made.key, { token: `made-up-${i}` }, 401);
  }
  assert.equal((await identities.credentialOf(key)).token, "a-token");
});

Deno.test("named() is the identity of that name, or a RangeError", async () => {
  const { identities } = await load();
  assert.equal(identities.named("kubelet").key, "identity:kubelet");
  assert.throws(() => identities.named("other"), RangeError);
});
