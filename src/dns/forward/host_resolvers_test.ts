import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import { FakeFs } from "../../../tests/testing/fake_fs.ts";
import { HostResolvers, type Resolvers } from "./host_resolvers.ts";

const [ETC, SYSTEMD] = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

function start(files: Record<string, string>) {
  const clock = new FakeClock();
  const fs = new FakeFs(files);
  let ring = () => {};
  let watching = true;
  const resolvers = new HostResolvers([ETC, SYSTEMD], ["169.254.20.10"], {
    fs,
    clock,
    watch: (_paths, changed) => {
      ring = changed;
      return { extend: () => {}, [Symbol.dispose]: () => void (watching = false) };
    },
  });
  return { clock, fs, resolvers, ring: () => ring(), isWatching: () => watching };
}

Deno.test("HostResolvers reads name servers from behind a stub, and the search list of the kubelet's file", async () => {
  const { resolvers } = start({
    [ETC]: "nameserver 127.0.0.53\nsearch corp.example\n",
    [SYSTEMD]: "nameserver 169.254.20.10\nnameserver 10.0.0.1\nsearch other.example\n",
  });
  assert.deepEqual(await resolvers.read(), {
    nameservers: ["10.0.0.1"],
    leftOut: ["127.0.0.53", "169.254.20.10"],
    search: ["corp.example"],
  });
  assert.deepEqual(await start({}).resolvers.read(), {
    nameservers: [],
    leftOut: [],
    search: [],
  });
});

Deno.test("HostResolvers tells of changes, at once where they are seen, and keeps what it has while a file is empty", async () => {
  const { clock, fs, resolvers, ring, isWatching } = start({ [ETC]: "nameserver 10.0.0.1\n" });
  const told: Resolvers[] = [];
  const stop = new AbortController();
  const running = resolvers.run(await resolvers.read(), (now) => void told.push(now), stop.signal);
  await fs.writeAtomic(ETC, "", 0o644);
  ring();
  await clock.advance(60_000);
  assert.deepEqual(told, []);
  await fs.writeAtomic(ETC, "nameserver 10.0.0.2\n", 0o644);
  ring();
  await clock.advance(500);
  assert.deepEqual(told.map(({ nameservers }) => nameservers), [["10.0.0.2"]]);
  await fs.writeAtomic(ETC, "nameserver 10.0.0.2\nsearch a.example\n", 0o644);
  await clock.advance(30_000);
  await clock.advance(60_000);
  assert.deepEqual(told.map(({ search }) => search), [[], ["a.example"]]);
  stop.abort();
  await running;
  assert.deepEqual([isWatching(), clock.pending], [false, 0]);
});
