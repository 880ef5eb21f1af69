import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import { FakeFs } from "../../../tests/testing/fake_fs.ts";
import { UsageError } from "../../kernel/errors.ts";
import { createCa, issueServingCert } from "../../kube/pki.ts";
import type { TlsTexts } from "../../platform/client_certificate.ts";
import { ListenerFiles } from "./listener_files.ts";

const CLIENT_CA = "/etc/kubernetes/pki/ca.crt";
const [CLIENTS, OTHERS] = [await createCa("clients"), await createCa("others")];

async function load(files: Record<string, string> = {}, clientCaFile?: string) {
  const fs = new FakeFs({ "/state/other": "", ...files });
  const clock = new FakeClock();
  const options = { fs, stateDir: "/state", now: () => clock.now(), hosts: ["127.0.0.1"] };
  const listener = new ListenerFiles({ ...options, clientCaFile });
  const first = await listener.load();
  const taken: TlsTexts[] = [];
  const renew = () => listener.renew((texts) => void taken.push(texts));
  return { fs, clock, listener, first, taken, renew };
}

Deno.test("load() makes a serving certificate, and asks nobody for one unless told to", async () => {
  const { first, listener, fs, renew, taken } = await load();
  assert.equal(first.clientCa, undefined);
  assert.equal(first.cert, await fs.readText("/state/pki/serving.crt"));
  assert.equal(listener.ca, await fs.readText("/state/pki/ca.crt"));
  assert.equal(await renew(), false);
  assert.deepEqual(taken, []);
});

Deno.test("renew() hands on the clients' authorities when their file changes", async () => {
  const { fs, first, taken, renew } = await load({ [CLIENT_CA]: CLIENTS.cert }, CLIENT_CA);
  assert.equal(first.clientCa, CLIENTS.cert);
  await fs.writeAtomic(CLIENT_CA, CLIENTS.cert + OTHERS.cert, 0o644);
  assert.equal(await renew(), true);
  assert.deepEqual(taken, [{ ...first, clientCa: CLIENTS.cert + OTHERS.cert }]);
  assert.equal(await renew(), false);
});

Deno.test("load() trusts no client's certificate while the authorities are not there yet", async () => {
  const { fs, first, listener, taken, renew } = await load({}, CLIENT_CA);
  assert.equal(first.clientCa, listener.ca, "which signs no clients");
  await fs.mkdir("/etc/kubernetes/pki", 0o755);
  await fs.writeAtomic(CLIENT_CA, CLIENTS.cert, 0o644);
  assert.equal(await renew(), true);
  assert.equal(taken[0]?.clientCa, CLIENTS.cert);
});

Deno.test("load() throws a UsageError for authorities that are none", async () => {
  await assert.rejects(load({ [CLIENT_CA]: "junk" }, CLIENT_CA), UsageError);
});

Deno.test("renew() keeps the former authorities while their file is away", async () => {
  const { fs, taken, renew } = await load({ [CLIENT_CA]: CLIENTS.cert }, CLIENT_CA);
  await fs.remove(CLIENT_CA);
  await renew();
  assert.ok(taken.every(({ clientCa }) => clientCa === CLIENTS.cert));
});

Deno.test("renew() tries half a rotation again until the other half is there", async () => {
  const { fs, listener } = await load();
  const next = await issueServingCert(OTHERS, ["127.0.0.1"]);
  await fs.writeAtomic("/state/pki/serving.crt", next.cert, 0o644);
  const fits = ({ cert, key }: TlsTexts) => {
    if (cert === next.cert && key !== next.key) throw new UsageError("does not fit");
  };
  await assert.rejects(listener.renew(fits), UsageError);
  await assert.rejects(listener.renew(fits), UsageError);
  await fs.writeAtomic("/state/pki/serving.key", next.key, 0o600);
  assert.equal(await listener.renew(fits), true);
  assert.equal(await listener.renew(fits), false);
});

Deno.test.each([{ jump: 86_400_001 }, { jump: -86_400_001 }])(
  "renew() looks once a day whether a certificate must be made: $jump ms",
  async ({ jump }) => {
    const { fs, clock, taken, renew } = await load();
    await fs.remove("/state/pki/serving.key");
    clock.jump(jump);
    assert.equal(await renew(), true);
    assert.equal(taken[0]?.key, await fs.readText("/state/pki/serving.key"));
  },
);
