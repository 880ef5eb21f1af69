import assert from "node:assert/strict";
import { FakeFs } from "../../../tests/testing/fake_fs.ts";
import { UsageError } from "../../kernel/errors.ts";
import { LocalTokens } from "./local_tokens.ts";

const STATE = "/var/lib/edge-agent";
const KUBELET = `${STATE}/tokens/kubelet`;
const PROXY = `${STATE}/tokens/kube-proxy`;

async function load(files: Record<string, string> = {}) {
  const fs = new FakeFs({ "/var/lib/other": "", ...files });
  let made = 0;
  const randomToken = () => `made-of-randomness-${++made}`;
  const ports = { stateDir: STATE, fs, randomToken };
  return { fs, tokens: await LocalTokens.load(["kubelet", "kube-proxy"], ports) };
}

Deno.test("load() makes the tokens that are missing, for their owner alone", async () => {
  const { fs, tokens } = await load({ [PROXY]: "token-of-kube-proxy\n" });
  assert.deepEqual([...tokens.all], [
    ["kubelet", "made-of-randomness-1"],
    ["kube-proxy", "token-of-kube-proxy"],
  ]);
  assert.equal(await fs.readText(KUBELET), "made-of-randomness-1\n");
  assert.equal(fs.modeOf(KUBELET), 0o600);
  assert.equal(fs.modeOf(`${STATE}/tokens`), 0o700);
  assert.equal(tokens.nameOf("made-of-randomness-1"), "kubelet");
});

Deno.test("load() takes a file away from all but its owner", async () => {
  const { fs } = await load({ [PROXY]: "token-of-kube-proxy\n" });
  assert.equal(fs.modeOf(PROXY), 0o600);
});

Deno.test("load() makes a token anew when a crash left its file empty", async () => {
  const { tokens } = await load({ [KUBELET]: "\n" });
  assert.equal(tokens.nameOf("made-of-randomness-1"), "kubelet");
});

Deno.test.each([
  { name: "a short one", token: "short" },
  { name: "one of several words", token: "one that has many words" },
])("load() refuses $name with the file's name, and not with the token", async ({ token }) => {
  await assert.rejects(load({ [KUBELET]: token }), (error) => {
    assert.ok(error instanceof UsageError);
    assert.match(error.message, /tokens\/kubelet/);
    assert.ok(!error.message.includes(token));
    return true;
  });
});

Deno.test("nameOf() knows nobody by anything but a whole token", async () => {
  const { tokens } = await load({ [KUBELET]: "token-of-the-kubelet" });
  assert.equal(tokens.nameOf("token-of-the-kubelet"), "kubelet");
  for (const token of ["", "token-of-the-kubele", "token-of-the-kubelet2", "kubelet"]) {
    assert.equal(tokens.nameOf(token), undefined, token);
  }
});

Deno.test("reload() takes up a new token, whose former one is worth nothing then", async () => {
  const { fs, tokens } = await load({
    [KUBELET]: "token-of-the-kubelet",
    [PROXY]: "token-of-kube-proxy",
  });
  assert.equal(await tokens.reload(), false);
  await fs.writeAtomic(KUBELET, "another-token-for-it\n", 0o644);
  assert.equal(await tokens.reload(), true);
  assert.equal(tokens.nameOf("another-token-for-it"), "kubelet");
  assert.equal(tokens.nameOf("token-of-the-kubelet"), undefined);
  assert.equal(tokens.nameOf("token-of-kube-proxy"), "kube-proxy");
  assert.equal(fs.modeOf(KUBELET), 0o600);
  assert.equal(await tokens.reload(), false);
});

Deno.test.each<{ name: string; spoil: (fs: FakeFs) => Promise<void> }>([
  { name: "gone", spoil: (fs) => fs.remove(KUBELET) },
  { name: "empty", spoil: (fs) => fs.writeAtomic(KUBELET, "\n", 0o600) },
])("reload() keeps the former token while the file is $name", async ({ spoil }) => {
  const { fs, tokens } = await load({ [KUBELET]: "token-of-the-kubelet" });
  await spoil(fs);
  assert.equal(await tokens.reload(), false);
  assert.equal(tokens.nameOf("token-of-the-kubelet"), "kubelet");
});

Deno.test("reload() refuses a token that can be guessed and keeps the former", async () => {
  const { fs, tokens } = await load({ [KUBELET]: "token-of-the-kubelet" });
  await fs.writeAtomic(KUBELET, "1234", 0o600);
  await assert.rejects(tokens.reload(), UsageError);
  assert.equal(tokens.nameOf("1234"), undefined);
  assert.equal(tokens.nameOf("token-of-the-kubelet"), "kubelet");
});
