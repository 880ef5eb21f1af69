import assert from "node:assert/strict";
import fc from "fast-check";
import { FLANNEL_CONFLIST } from "../../../tests/testing/flannel_files.ts";
import { planConflist } from "./conflist.ts";

const flannel = { name: "10-flannel.conflist", text: FLANNEL_CONFLIST };

/** flannel's config with its plugin changed. */
const withPlugin = (plugin: unknown) => ({
  name: "10-flannel.conflist",
  text: JSON.stringify({ ...JSON.parse(FLANNEL_CONFLIST), plugins: [plugin] }),
});

Deno.test("planConflist() changes nothing but the IPAM plugin", () => {
  const plan = planConflist([flannel]);
  assert.ok(plan.state === "wanted");
  assert.equal(plan.file, "05-edge-agent.conflist");
  assert.deepEqual(plan.network, { name: "cbr0" });
  const want = JSON.parse(FLANNEL_CONFLIST);
  want.plugins[0].ipam = { type: "edge-agent" };
  assert.deepEqual(JSON.parse(plan.text), want);
});

Deno.test("planConflist() keeps what flannel's ipam says", () => {
  const ipam = { type: "host-local", dataDir: "/data", routes: [{ dst: "0.0.0.0/0" }] };
  const plan = planConflist([withPlugin({ type: "flannel", dataDir: "/scratch", ipam })]);
  assert.ok(plan.state === "wanted");
  assert.deepEqual(JSON.parse(plan.text).plugins[0].ipam, { ...ipam, type: "edge-agent" });
  assert.deepEqual(plan.network, { name: "cbr0", dataDir: "/data", scratchDir: "/scratch" });
});

Deno.test("planConflist() is of one mind when its own file is there", () => {
  const first = planConflist([flannel]);
  assert.ok(first.state === "wanted");
  const second = planConflist([{ name: first.file, text: first.text }, flannel]);
  assert.deepEqual(second, first);
});

Deno.test.each([
  { name: "05-a.conflist", want: "00-edge-agent.conflist" },
  { name: "00-a.conflist", want: "+edge-agent.conflist" },
  { name: "flannel.conflist", want: "05-edge-agent.conflist" },
])("planConflist() finds a name that sorts before $name", ({ name, want }) => {
  const plan = planConflist([
    { name: "05-edge-agent.conflist", text: "{}" },
    { name, text: FLANNEL_CONFLIST },
  ]);
  assert.ok(plan.state === "wanted");
  assert.equal(plan.file, want);
  assert.deepEqual(
    plan.remove,
    want === "05-edge-agent.conflist" ? [] : ["05-edge-agent.conflist"],
  );
});

Deno.test("planConflist() looks past networks that sort after flannel's, and at no other files", () => {
  const plan = planConflist([
    { name: "00-README", text: "" },
    { name: "05.conflist.bak", text: "" },
    flannel,
    { name: "87-podman.conflist", text: "{" },
    { name: "99-flannel.conflist", text: FLANNEL_CONFLIST.replace("cbr0", "cbr1") },
  ]);
  assert.ok(plan.state === "wanted");
  assert.equal(plan.network.name, "cbr0");
});

Deno.test.each([
  {
    name: "a network before flannel's",
    files: [{ name: "05-calico.conflist", text: '{"plugins":[{"type":"calico"}]}' }, flannel],
    want: /"05-calico.conflist" sorts before flannel's/,
  },
  {
    name: "two flannel plugins",
    files: [{
      name: "a.conflist",
      text: '{"name":"a","plugins":[{"type":"flannel"},{"type":"flannel"}]}',
    }],
    want: /has 2 flannel plugins/,
  },
  {
    name: "another IPAM plugin",
    files: [withPlugin({ type: "flannel", ipam: { type: "dhcp" } })],
    want: /ipam.type is "dhcp"/,
  },
  {
    name: "an IPAM section in the wrong place",
    files: [withPlugin({ type: "flannel", delegate: { ipam: {} } })],
    want: /delegate.ipam/,
  },
  {
    name: "an ipam of no shape",
    files: [withPlugin({ type: "flannel", ipam: [] })],
    want: /no object/,
  },
  {
    name: "a relative folder",
    files: [withPlugin({ type: "flannel", dataDir: "x" })],
    want: /dataDir is wrong/,
  },
  {
    name: "broken JSON",
    files: [{ name: "10-flannel.conflist", text: "{" }],
    want: /no JSON object/,
  },
  {
    name: "no flannel at all",
    files: [{ name: "10-kindnet.conflist", text: '{"plugins":[{"type":"ptp"}]}' }],
    want: /no network of "10-kindnet.conflist" is flannel's/,
  },
  {
    name: "a bad network name",
    files: [{ name: "a.conflist", text: '{"name":"../x","plugins":[{"type":"flannel"}]}' }],
    want: /name or its dataDir is wrong/,
  },
])("planConflist() refuses $name", ({ files, want }) => {
  const plan = planConflist(files);
  assert.ok(plan.state === "refused");
  assert.match(plan.reason, want);
});

Deno.test("planConflist() keeps ours when flannel's is gone", () => {
  assert.deepEqual(planConflist([]), { state: "absent" });
  const ours = planConflist([flannel]);
  assert.ok(ours.state === "wanted");
  assert.deepEqual(planConflist([{ name: ours.file, text: ours.text }]), {
    state: "absent",
    file: "05-edge-agent.conflist",
    network: { name: "cbr0" },
  });
});

/** Ours as it is made out of flannel's. */
const ours = (() => {
  const plan = planConflist([flannel]);
  assert.ok(plan.state === "wanted");
  return { name: plan.file, text: plan.text };
})();

Deno.test.each([
  { name: "empty", text: "" },
  { name: "cut off", text: FLANNEL_CONFLIST.slice(0, 40) },
  { name: "of zeros", text: "\0\0\0\0" },
])("planConflist() keeps to ours when flannel's is $name, and says so", ({ text }) => {
  const others = [{ name: flannel.name, text }, { name: "87-podman.conflist", text: "{}" }];
  assert.deepEqual(planConflist([ours, ...others]), {
    state: "absent",
    file: "05-edge-agent.conflist",
    network: { name: "cbr0" },
    torn: "10-flannel.conflist",
  });
});

Deno.test.each([
  { name: "without ours", files: [] },
  { name: "when ours is cut off, too", files: [{ ...ours, text: ours.text.slice(0, 40) }] },
  { name: "when ours names another plugin", files: [{ ...ours, text: FLANNEL_CONFLIST }] },
  { name: "behind another network", files: [ours, { name: "07-a.conflist", text: "{}" }] },
  { name: "beside another one", files: [ours, { name: "11-a.conflist", text: "" }] },
  { name: "when the runtime takes another", files: [ours, { name: "01-a.conflist", text: "{}" }] },
])("planConflist() refuses an empty flannel config $name", ({ files }) => {
  const plan = planConflist([...files, { name: flannel.name, text: "" }]);
  assert.equal(plan.state, "refused");
});

Deno.test("planConflist() refuses what is JSON, but no config, though ours is there", () => {
  assert.equal(planConflist([ours, { name: flannel.name, text: "[]" }]).state, "refused");
});

Deno.test("planConflist() names a file that the runtime takes before all others", () => {
  const name = fc.stringMatching(/^[0-9a-z+_-]{1,12}$/).map((name) => `${name}.conflist`);
  fc.assert(fc.property(name, fc.array(name), (name, others) => {
    const files = [name, ...others.filter((other) => other > name)]
      .map((name) => ({ name, text: FLANNEL_CONFLIST }));
    const plan = planConflist(files);
    if (plan.state === "wanted") assert.ok(files.every(({ name }) => plan.file < name));
    else assert.ok(plan.state === "refused" && /no name of ours/.test(plan.reason));
  }));
});
