import assert from "node:assert/strict";
import * as fc from "fast-check";
import { FakeFs } from "../../tests/testing/fake_fs.ts";
import { flannelLink, networkOf, vxlanPeer } from "../../tests/testing/flannel_network.ts";
import { Archive } from "./archive.ts";
import { formatSnapshot, parseSnapshot, type Snapshot, SnapshotError } from "./snapshot_file.ts";

const OWN = { name: "edge-1", machineId: "m1" };
const DIR = "/var/lib/edge-agent";
const NEWEST = `${DIR}/network.json`;
const PREVIOUS = `${DIR}/network.prev.json`;

function snapshotOf(generation: number): Snapshot {
  return {
    node: OWN,
    bootId: "b1",
    takenAt: "2026-01-01T00:00:00.000Z",
    generation,
    network: networkOf({ links: [flannelLink()], peers: [vxlanPeer(generation + 2)] }),
  };
}

async function loadedGeneration(fs: FakeFs): Promise<number | undefined> {
  const loaded = await new Archive(fs, DIR, OWN).load();
  return loaded.state === "loaded" ? loaded.snapshot.generation : undefined;
}

Deno.test("parseSnapshot() reads what formatSnapshot() wrote", () => {
  const snapshot = snapshotOf(1);
  assert.deepEqual(parseSnapshot(formatSnapshot(snapshot)), snapshot);
});

Deno.test("S34 parseSnapshot() refuses every text that was cut off or changed in one place", () => {
  const text = formatSnapshot(snapshotOf(1)).trimEnd();
  for (let end = 0; end < text.length; end++) {
    assert.throws(() => parseSnapshot(text.slice(0, end)), SnapshotError);
  }
  fc.assert(
    fc.property(fc.nat({ max: text.length - 1 }), fc.integer({ min: 32, max: 126 }), (at, code) => {
      const changed = text.slice(0, at) + String.fromCharCode(code) + text.slice(at + 1);
      if (changed === text) return;
      let snapshot: Snapshot;
      try {
        snapshot = parseSnapshot(changed);
      } catch (error) {
        assert.ok(error instanceof SnapshotError);
        return;
      }
      // What is beside the network has no checksum, and does no harm.
      assert.deepEqual(snapshot.network, snapshotOf(1).network);
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("parseSnapshot() takes any bytes for a snapshot or throws a SnapshotError", () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
    assert.throws(() => parseSnapshot(text), SnapshotError);
  }));
});

const withNetwork = (network: unknown) =>
  formatSnapshot({ ...snapshotOf(1), network: network as Snapshot["network"] });

Deno.test.each([
  { name: "an empty file", text: "", want: /it is empty/ },
  { name: "another JSON", text: "[1]", want: /it is no snapshot/ },
  {
    name: "a newer schema",
    text: formatSnapshot(snapshotOf(1)).replace('"schema":1', '"schema":2'),
    want: /it has schema 2, and this agent reads 1: install the agent that wrote it/,
  },
  {
    name: "a MAC that is a command",
    text: withNetwork(networkOf({ links: [flannelLink({ mac: "x\nlink del eth0" })] })),
    want: /its links.0.mac must be a MAC/,
  },
  {
    name: "a device that is not flannel's",
    text: withNetwork(networkOf({ links: [flannelLink({ name: "eth0" })] })),
    want: /its links.0.name must be a name that flannel gives/,
  },
  {
    name: "a subnet that is none",
    text: withNetwork(networkOf({ peers: [{ ...vxlanPeer(2), subnet: "10.0.0.0/33" }] })),
    want: /its peers.0.subnet/,
  },
])("parseSnapshot() refuses $name", ({ text, want }) => {
  assert.throws(() => parseSnapshot(text), want);
});

Deno.test("Archive.load() takes the previous generation when the newest is damaged, and says so", async () => {
  const fs = new FakeFs({
    [NEWEST]: formatSnapshot(snapshotOf(2)).slice(0, 99),
    [PREVIOUS]: formatSnapshot(snapshotOf(1)),
  });
  const loaded = await new Archive(fs, DIR, OWN).load();
  assert.ok(loaded.state === "loaded");
  assert.equal(loaded.snapshot.generation, 1);
  assert.deepEqual(loaded.passedOver, [`${NEWEST}: it is no JSON, or cut off`]);
});

Deno.test.each([
  {
    name: "of another node",
    own: { name: "edge-2", machineId: "m1" },
    want: /it is of the node "edge-1", and this is "edge-2"/,
  },
  {
    name: "of another machine",
    own: { name: "edge-1", machineId: "m2" },
    want: /it is of the machine m1, and this is m2 \(\/etc\/machine-id\): was a disk copied\?/,
  },
])("Archive.load() refuses a snapshot $name", async ({ own, want }) => {
  const fs = new FakeFs({ [NEWEST]: formatSnapshot(snapshotOf(1)) });
  await assert.rejects(new Archive(fs, DIR, own).load(), want);
});

Deno.test("Archive.save() makes the former snapshot the previous one, with one write", async () => {
  for (const links of ["some", "none"] as const) {
    const fs = new FakeFs({ [NEWEST]: formatSnapshot(snapshotOf(1)) });
    const archive = new Archive(fs, DIR, OWN);
    if (links === "none") fs.fault = (op) => op === "link" ? { code: "EPERM" } : undefined;
    for (const generation of [2, 3]) {
      const from = fs.calls.length;
      await archive.save(snapshotOf(generation));
      const writes = fs.calls.slice(from).filter((call) => call.startsWith("write ")).length;
      assert.equal(writes, links === "none" ? 2 : 1);
      const previous = parseSnapshot(await fs.readText(PREVIOUS));
      assert.deepEqual(previous, snapshotOf(generation - 1));
    }
    fs.restart({ entries: "lost", bytes: 0 });
    assert.equal(await loadedGeneration(fs), 3);
    assert.deepEqual(parseSnapshot(await fs.readText(PREVIOUS)), snapshotOf(2));
  }
});

Deno.test("Archive.save() goes on after a write that failed", async () => {
  const fs = new FakeFs({
    [NEWEST]: formatSnapshot(snapshotOf(2)),
    [PREVIOUS]: formatSnapshot(snapshotOf(1)),
  });
  const archive = new Archive(fs, DIR, OWN);
  fs.fault = (op) => op === "write" ? { code: "ENOSPC", tornAt: 9 } : undefined;
  await assert.rejects(archive.save(snapshotOf(3)));
  assert.equal(await loadedGeneration(fs), 2);
  fs.fault = () => undefined;
  await archive.save(snapshotOf(3));
  assert.equal(await loadedGeneration(fs), 3);
  assert.deepEqual(parseSnapshot(await fs.readText(PREVIOUS)), snapshotOf(2));
});

Deno.test("Archive.save() keeps another node's snapshot from becoming the previous generation", async () => {
  const foreign = { ...snapshotOf(5), node: { name: "edge-7", machineId: "m7" } };
  const fs = new FakeFs({
    [NEWEST]: formatSnapshot(foreign),
    [PREVIOUS]: formatSnapshot(snapshotOf(1)),
  });
  await new Archive(fs, DIR, OWN).save(snapshotOf(2));
  await fs.writeAtomic(NEWEST, "broken", 0o600);
  assert.equal(await loadedGeneration(fs), 1);
});

Deno.test("Archive.save() keeps what can't be used from becoming the previous generation", async () => {
  const fs = new FakeFs({ [NEWEST]: "broken", [PREVIOUS]: formatSnapshot(snapshotOf(1)) });
  await new Archive(fs, DIR, OWN).save(snapshotOf(2));
  await fs.writeAtomic(NEWEST, "broken", 0o600);
  assert.equal(await loadedGeneration(fs), 1);
  assert.equal(fs.modeOf(NEWEST), 0o600);
});

Deno.test("S34 a power cut at any call of Archive.save() leaves a snapshot to load", async () => {
  await fc.assert(fc.asyncProperty(
    fc.nat({ max: 30 }),
    fc.constantFrom("kept" as const, "lost" as const),
    fc.nat({ max: 600 }),
    async (at, entries, bytes) => {
      const fs = new FakeFs({
        [NEWEST]: formatSnapshot(snapshotOf(2)),
        [PREVIOUS]: formatSnapshot(snapshotOf(1)),
      });
      let calls = 0;
      fs.fault = () => calls++ === at ? "crash" : undefined;
      await new Archive(fs, DIR, OWN).save(snapshotOf(3)).catch(() => {});
      fs.fault = () => undefined;
      fs.restart({ entries, bytes });
      assert.ok([2, 3].includes(await loadedGeneration(fs) ?? 0));
    },
  ));
});

Deno.test("S34 a full or failing disk at any call of Archive.save() leaves a snapshot to load", async () => {
  await fc.assert(fc.asyncProperty(
    fc.nat({ max: 30 }),
    fc.constantFrom("EIO" as const, "ENOSPC" as const, "EROFS" as const),
    fc.nat({ max: 600 }),
    async (at, code, tornAt) => {
      const fs = new FakeFs({ [NEWEST]: formatSnapshot(snapshotOf(2)) });
      let calls = 0;
      fs.fault = () => calls++ >= at ? { code, tornAt } : undefined;
      await new Archive(fs, DIR, OWN).save(snapshotOf(3)).catch(() => {});
      fs.fault = () => undefined;
      assert.ok([2, 3].includes(await loadedGeneration(fs) ?? 0));
    },
  ));
});
