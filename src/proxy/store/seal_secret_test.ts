import assert from "node:assert/strict";
import { utf8 } from "../../../tests/testing/arbitraries.ts";
import { FakeFs } from "../../../tests/testing/fake_fs.ts";
import { loadSealSecret } from "./seal_secret.ts";

const DIR = "/var/lib/edge-agent";
const CREDENTIALS = "/run/credentials/edge-agent.service";
const random = (bytes: number) => new Uint8Array(bytes).fill(7);

async function load(fs: FakeFs, credentialsDir?: string) {
  await fs.mkdir(DIR, 0o700);
  return await loadSealSecret({ fs, stateDir: DIR, credentialsDir, random });
}

Deno.test("loadSealSecret() makes a file of its own once (0600)", async () => {
  const fs = new FakeFs();
  const first = await load(fs);
  assert.deepEqual([first.from, first.problem, first.secret.length], ["file", undefined, 32]);
  assert.deepEqual(await load(fs, CREDENTIALS), { ...first });
  assert.equal(fs.modeOf(`${DIR}/state.key`), 0o600);
});

Deno.test("loadSealSecret() takes the credential, and makes no file", async () => {
  const fs = new FakeFs();
  await fs.mkdir(CREDENTIALS, 0o700);
  await fs.writeAtomic(`${CREDENTIALS}/cache-key`, utf8("0123456789abcdef"), 0o400);
  const { from, secret } = await load(fs, CREDENTIALS);
  assert.deepEqual([from, secret], ["credential", utf8("0123456789abcdef")]);
  assert.equal(await fs.exists(`${DIR}/state.key`), false);
});

Deno.test("loadSealSecret() refuses a credential that can be guessed, and says so", async () => {
  const fs = new FakeFs();
  await fs.mkdir(CREDENTIALS, 0o700);
  await fs.writeAtomic(`${CREDENTIALS}/cache-key`, utf8("short"), 0o400);
  const { from, problem } = await load(fs, CREDENTIALS);
  assert.equal(from, "file");
  assert.match(problem!, /cache-key has 5 bytes/);
});

Deno.test("loadSealSecret() replaces a file that was cut off", async () => {
  const fs = new FakeFs();
  await fs.mkdir(DIR, 0o700);
  await fs.writeAtomic(`${DIR}/state.key`, utf8("cut"), 0o600);
  const { from, secret, problem } = await load(fs);
  assert.deepEqual([from, secret.length], ["file", 32]);
  assert.match(problem!, /cut off/);
});

Deno.test("loadSealSecret() works in memory when nothing can be written", async () => {
  const fs = new FakeFs();
  const { from, problem } = await loadSealSecret({ fs, stateDir: "/not/there", random });
  assert.equal(from, "memory");
  assert.match(problem!, /state\.key can not be read or made/);
});
