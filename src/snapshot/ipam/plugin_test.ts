import assert from "node:assert/strict";
import { fakeNode } from "../../../tests/testing/ipam_node.ts";
import { RESULT_FOLDERS } from "./ipam_paths.ts";

const hold = (pod: string) => `edge-agent-hold\r\n${pod}`;

Deno.test("ADD hands host-local's result on unchanged and keeps a record", async () => {
  const { node, fs } = fakeNode();
  const { stdout } = await node.call("ADD", "default/web-0", "c1");
  assert.deepEqual(JSON.parse(stdout).ips[0].address, "10.244.1.2/24");
  const [file] = await fs.list("/var/lib/edge-agent/ipam/cbr0");
  const record = JSON.parse(await fs.readText(`/var/lib/edge-agent/ipam/cbr0/${file}`));
  assert.deepEqual(record, {
    schema: 1,
    network: "cbr0",
    namespace: "default",
    name: "web-0",
    uid: "uid-of-web-0",
    containerID: "c1",
    ifName: "eth0",
    netns: node.netnsOf("c1"),
    ips: ["10.244.1.2"],
    time: "2026-01-01T00:00:00.000Z",
  });
});

Deno.test("DEL leaves a hold, and the next ADD of the pod gets the address again", async () => {
  const { node } = fakeNode();
  const first = await node.add("default/web-0");
  await node.add("default/web-1");
  await node.del("default/web-0", first!.id);
  assert.equal((await node.store())["10.244.1.2"], hold("default/web-0"));
  assert.deepEqual((await node.add("default/new"))?.ips, ["10.244.1.4"]);
  assert.deepEqual((await node.add("default/web-0"))?.ips, ["10.244.1.2"]);
});

Deno.test("ADD gets both addresses of a dual stack again, or the one that is left", async () => {
  const { node } = fakeNode();
  node.ranges = [[{ subnet: "10.244.1.0/24" }], [{ subnet: "fd00:10::/64" }]];
  const first = await node.add("default/web-0");
  assert.deepEqual(first?.ips, ["10.244.1.2", "fd00:10::2"]);
  await node.add("default/web-1");
  await node.del("default/web-0", first!.id);
  const second = await node.add("default/web-0");
  assert.deepEqual(second?.ips, first!.ips);
  await node.del("default/web-0", second!.id);
  await node.put("fd00:10::2", "foreign\r\neth0");
  assert.deepEqual((await node.add("default/web-0"))?.ips, ["10.244.1.2", "fd00:10::4"]);
});

Deno.test("ADD takes an address over from the pod's container of before the reboot", async () => {
  const { node } = fakeNode();
  const first = await node.add("default/web-0");
  await node.reboot();
  const second = await node.add("default/web-0");
  assert.deepEqual(second?.ips, first?.ips);
  await node.del("default/web-0", first!.id);
  assert.equal((await node.store())["10.244.1.2"], `${second!.id}\r\neth0`);
});

Deno.test("ADD leaves an address to a container of a namesake that still lives", async () => {
  const { node } = fakeNode();
  await node.add("default/web-0", { uid: "old" });
  assert.deepEqual((await node.add("default/web-0", { uid: "new" }))?.ips, ["10.244.1.3"]);
});

Deno.test.each(RESULT_FOLDERS)(
  "ADD finds the addresses of pods older than the agent in libcni's cache %s",
  async (folder) => {
    const { node, exec } = fakeNode();
    node.results = folder;
    await node.put("10.244.1.77", "old\r\neth0");
    const ips = [{ version: "4", address: "10.244.1.77/24" }];
    await node.cache("default/web-0", "old", JSON.stringify({ ips }));
    assert.deepEqual((await node.add("default/web-0"))?.ips, ["10.244.1.77"]);
    assert.deepEqual(exec.runs, ["ADD c1"]);
  },
);

Deno.test("ADD asks the saved network when nothing else knows the pod", async () => {
  const { node, fs } = fakeNode();
  const pods = [
    { network: "other", namespace: "default", name: "web-0", ips: ["10.244.1.8"] },
    { network: "cbr0", namespace: "default", name: "web-0", ips: ["10.244.1.9", 7] },
    "rubbish",
  ];
  await fs.mkdir("/var/lib/edge-agent", 0o700);
  await fs.writeAtomic(
    "/var/lib/edge-agent/network.json",
    JSON.stringify({ content: { pods } }),
    0o600,
  );
  assert.deepEqual((await node.add("default/web-0"))?.ips, ["10.244.1.9"]);
});

Deno.test.each([
  { name: "out of the ranges now", ip: "10.9.9.9" },
  { name: "the gateway", ip: "10.244.1.1" },
  { name: "the network's own", ip: "10.244.1.0" },
  { name: "the broadcast address", ip: "10.244.1.255" },
  { name: "somebody else's", ip: "10.244.1.50" },
  { name: "held for somebody else", ip: "10.244.1.51" },
  { name: "somebody's in words of a newer host-local", ip: "10.244.1.52" },
  { name: "no address", ip: "../../etc/passwd" },
])("ADD does not ask for what is $name", async ({ ip }) => {
  const { node, exec } = fakeNode();
  await node.put("10.244.1.50", "foreign\r\neth0");
  await node.put("10.244.1.51", hold("default/other"));
  await node.put("10.244.1.52", "foreign\r\neth0\r\n/run/netns/x");
  const ips = [{ version: "4", address: `${ip}/24` }];
  await node.cache("default/web-0", "old", JSON.stringify({ ips }));
  assert.deepEqual((await node.add("default/web-0"))?.ips, ["10.244.1.2"]);
  assert.deepEqual(exec.runs, ["ADD c1"]);
});

Deno.test.each(["", "\0\0\0\0", "\r\n", "edge-agent-hold\r\n", hold("Bad/../name")])(
  "ADD takes back an address whose file says %j",
  async (text) => {
    const { node } = fakeNode();
    const first = await node.add("default/web-0");
    await node.reboot();
    await node.put("10.244.1.2", text);
    assert.deepEqual((await node.add("default/web-0"))?.ips, first?.ips);
  },
);

Deno.test.each(["", "{", "[]", '{"schema":1}', '{"schema":2,"ips":[]}', "\0\0"])(
  "ADD counts a record that says %j as none",
  async (text) => {
    const { node, fs } = fakeNode();
    const first = await node.add("default/web-0");
    const folder = "/var/lib/edge-agent/ipam/cbr0";
    const [file] = await fs.list(folder);
    await fs.writeAtomic(`${folder}/${file}`, text, 0o600);
    await node.del("default/web-0", first!.id);
    await node.add("default/other");
    // Its hold is still there.
    assert.deepEqual((await node.add("default/web-0"))?.ips, first?.ips);
  },
);

Deno.test.each([
  { name: "CNI_ARGS IP=", env: { CNI_ARGS: "IgnoreUnknown=1;IP=10.244.1.90" }, conf: {} },
  { name: "args.cni.ips", env: undefined, conf: { args: { cni: { ips: ["10.244.1.90"] } } } },
  { name: "runtimeConfig.ips", env: undefined, conf: { runtimeConfig: { ips: ["10.244.1.90"] } } },
])("ADD honours the address that somebody asks for by $name", async ({ env, conf }) => {
  const { node } = fakeNode();
  const first = await node.add("default/web-0");
  await node.del("default/web-0", first!.id);
  await node.put("10.244.1.90", hold("default/other"));
  const second = await node.add("default/web-0", { ...(env && { env }), conf });
  assert.deepEqual(second?.ips, ["10.244.1.90"]);
});

Deno.test("ADD without a pod is host-local's alone", async () => {
  const { node, fs, exec } = fakeNode();
  const env = { CNI_ARGS: "" };
  const first = await node.add("default/web-0", { env });
  await node.del("default/web-0", first!.id, { env });
  assert.deepEqual(await node.store(), {});
  assert.equal(await fs.exists("/var/lib/edge-agent/ipam"), false);
  assert.deepEqual(exec.runs, ["ADD c1", "DEL c1"]);
});

Deno.test("ADD of a container that has an address is refused, and the address stays", async () => {
  const { node } = fakeNode();
  await node.add("default/web-0");
  const { code, stdout } = await node.call("ADD", "default/web-0", "c1");
  assert.equal(code, 1);
  assert.match(stdout, /duplicate allocation/);
  assert.deepEqual(await node.store(), { "10.244.1.2": "c1\r\neth0" });
});

Deno.test("ADD of a new pod reclaims the oldest hold above 80 %, one of a known pod none", async () => {
  const { node, clock } = fakeNode();
  node.ranges = [[{ subnet: "10.244.1.0/28" }]]; // 13 addresses: 11 are above 80 %
  for (let i = 0; i < 12; i++) {
    await node.put(`10.244.1.${13 - i}`, hold(`default/old-${i}`));
    await clock.advance(1_000);
  }
  const held = async () =>
    Object.entries(await node.store()).filter(([, text]) => text.startsWith("edge-agent-hold"))
      .map(([ip]) => ip);
  // Without its own there are 11 in use.
  assert.deepEqual((await node.add("default/old-5"))?.ips, ["10.244.1.8"]);
  assert.equal((await held()).length, 11);
  assert.ok(await node.add("default/new"));
  const left = await held();
  assert.equal(left.length, 10);
  assert.ok(!left.includes("10.244.1.13"), "the oldest");
});

Deno.test("ADD of a new pod reclaims no hold below 80 %", async () => {
  const { node } = fakeNode();
  node.ranges = [[{ subnet: "10.244.1.0/28" }]];
  for (let i = 0; i < 10; i++) await node.put(`10.244.1.${13 - i}`, hold(`default/old-${i}`));
  await node.add("default/new");
  assert.equal(Object.keys(await node.store()).length, 11);
});

Deno.test("ADD on a full range drops holds, oldest first, and fails when there is none", async () => {
  const { node, clock } = fakeNode();
  node.ranges = [[{ subnet: "10.244.1.0/29" }]]; // 5 addresses
  for (const ip of [6, 5, 4, 3, 2]) {
    await node.put(`10.244.1.${ip}`, ip > 4 ? hold(`default/p-${ip}`) : `x${ip}\r\neth0`);
    await clock.advance(1_000);
  }
  assert.deepEqual((await node.add("default/a"))?.ips, ["10.244.1.6"]);
  assert.deepEqual((await node.add("default/b"))?.ips, ["10.244.1.5"]);
  const { code, stdout } = await node.call("ADD", "default/c", "c9");
  assert.equal(code, 1);
  assert.match(stdout, /no IP addresses available/);
});

Deno.test("ADD that fails holds the pod's address again and tells host-local", async () => {
  const { node, exec } = fakeNode();
  const first = await node.add("default/web-0");
  await node.del("default/web-0", first!.id);
  node.ranges = [[{ subnet: "10.244.1.0/24" }], [{ subnet: "10.245.1.0/30" }]];
  await node.put("10.245.1.2", "foreign\r\neth0");
  assert.equal(await node.add("default/web-0"), undefined);
  assert.equal((await node.store())["10.244.1.2"], hold("default/web-0"));
  assert.equal(exec.runs.at(-1), "DEL c2");
});

Deno.test("ADD goes without the former address when somebody was quicker", async () => {
  const { node, exec } = fakeNode();
  const first = await node.add("default/web-0");
  await node.del("default/web-0", first!.id);
  let done = false;
  exec.fault = () => undefined;
  const run = exec.run.bind(exec);
  exec.run = async (argv, options) => {
    if (!done) await node.put("10.244.1.2", "foreign\r\neth0");
    done = true;
    return await run(argv, options);
  };
  assert.deepEqual((await node.add("default/web-0"))?.ips, ["10.244.1.3"]);
});

Deno.test("ADD that host-local does not survive leaves nothing of it", async () => {
  const { node, exec } = fakeNode();
  const first = await node.add("default/web-0");
  await node.del("default/web-0", first!.id);
  exec.fault = (command) => command === "ADD" ? "killed after" : undefined;
  const { code, stdout } = await node.call("ADD", "default/web-0", "c9");
  assert.deepEqual([code, JSON.parse(stdout).code], [1, 999]);
  assert.deepEqual(await node.store(), { "10.244.1.2": hold("default/web-0") });
});

Deno.test.each(["absent", "killed before"] as const)(
  "ADD that fails as host-local is %s holds the pod's address again, though DEL fails as well",
  async (fault) => {
    const { node, exec } = fakeNode();
    const first = await node.add("default/web-0");
    await node.del("default/web-0", first!.id);
    exec.fault = () => fault;
    const { code, stdout } = await node.call("ADD", "default/web-0", "c9");
    assert.deepEqual([code, JSON.parse(stdout).code], [1, 999]);
    assert.deepEqual(await node.store(), { "10.244.1.2": hold("default/web-0") });
    exec.fault = () => undefined;
    await node.add("default/other");
    assert.deepEqual((await node.add("default/web-0"))?.ips, first?.ips);
  },
);

Deno.test("ADD succeeds when its record can't be kept", async () => {
  const { node, fs } = fakeNode();
  fs.fault = (op, path) =>
    op === "write" && path.includes("/edge-agent/ipam/") ? { code: "ENOSPC" } : undefined;
  const { code, stderr } = await node.call("ADD", "default/web-0", "c1");
  assert.equal(code, 0);
  assert.match(stderr, /edge-agent: c1 may lose its addresses/);
});

Deno.test("ADD gets some address when the plugin itself may not look at the store", async () => {
  const { node, fs, exec } = fakeNode();
  const first = await node.add("default/web-0");
  await node.del("default/web-0", first!.id);
  fs.fault = (op, path) => op === "stat" && path === node.dir ? { code: "EIO" } : undefined;
  const { code, stderr } = await node.call("ADD", "default/web-0", "c9");
  assert.equal(code, 0);
  assert.match(stderr, /the store of addresses can't be used/);
  assert.deepEqual(exec.runs.slice(2), ["ADD c9"]);
});

Deno.test("DEL never fails for what is missing", async () => {
  const { node } = fakeNode();
  for (const env of [undefined, { CNI_NETNS: "" }]) {
    const { code, stdout } = await node.call("DEL", "default/web-0", "never-seen", { env });
    assert.deepEqual([code, stdout], [0, ""]);
  }
  assert.deepEqual(await node.store(), {});
});

Deno.test("DEL holds nothing that is out of the ranges now", async () => {
  const { node } = fakeNode();
  const first = await node.add("default/web-0");
  node.ranges = [[{ subnet: "10.244.2.0/24" }]];
  await node.del("default/web-0", first!.id);
  assert.deepEqual(await node.store(), {});
});

Deno.test("DEL of a pod whose namesake has an address already holds none", async () => {
  const { node } = fakeNode();
  const old = (await node.add("default/web-0", { uid: "old" }))!;
  const next = (await node.add("default/web-0", { uid: "new" }))!;
  await node.del("default/web-0", old.id, { uid: "old" });
  assert.deepEqual(await node.store(), { [next.ips[0]!]: `${next.id}\r\neth0` });
  await node.del("default/web-0", next.id, { uid: "new" });
  assert.deepEqual(await node.store(), { [next.ips[0]!]: hold("default/web-0") });
});

Deno.test("DEL of a pod whose namesake is gone without a DEL of its own holds the address", async () => {
  const { node, fs } = fakeNode();
  const old = (await node.add("default/web-0", { uid: "old" }))!;
  const next = (await node.add("default/web-0", { uid: "new" }))!;
  await fs.remove(node.netnsOf(next.id));
  await node.del("default/web-0", old.id, { uid: "old" });
  assert.deepEqual(await node.store(), {
    [old.ips[0]!]: hold("default/web-0"),
    [next.ips[0]!]: `${next.id}\r\neth0`,
  });
});

Deno.test("DEL succeeds when there is no room for a hold or a lock", async () => {
  const { node, fs } = fakeNode();
  const first = await node.add("default/web-0");
  fs.fault = (op, path) =>
    op === "write" && path.includes("/networks/") || path.endsWith("ipam.lock")
      ? { code: "ENOSPC" }
      : undefined;
  const { code, stderr } = await node.del("default/web-0", first!.id);
  assert.equal(code, 0);
  assert.match(stderr, /no lock.*\n.*10\.244\.1\.2 is not held/);
  assert.deepEqual(await node.store(), {});
});

Deno.test("CHECK is host-local's", async () => {
  const { node } = fakeNode();
  await node.add("default/web-0");
  assert.equal((await node.call("CHECK", "default/web-0", "c1")).code, 0);
  assert.equal((await node.call("CHECK", "default/web-0", "c2")).code, 1);
});

Deno.test("GC holds the addresses of pods that it knows and frees the others", async () => {
  const { node } = fakeNode();
  node.cniVersion = "1.1.0";
  const [a, b] = [(await node.add("default/a"))!, (await node.add("default/b"))!];
  await node.put("10.244.1.100", "stranger\r\neth0");
  await node.put("10.244.1.101", hold("default/c"));
  const valid = [{ containerID: a.id, ifname: "eth0" }];
  const conf = { "cni.dev/valid-attachments": valid };
  assert.equal((await node.call("GC", "x/y", "", { conf })).code, 0);
  assert.deepEqual(await node.store(), {
    "10.244.1.101": hold("default/c"),
    [a.ips[0]!]: `${a.id}\r\neth0`,
    [b.ips[0]!]: hold("default/b"),
  });
});

Deno.test("GC takes null for no attachments, which is how libcni writes an empty list", async () => {
  const { node } = fakeNode();
  await node.put("10.244.1.50", "gone\r\neth0");
  const conf = { cniVersion: "1.1.0", "cni.dev/valid-attachments": null };
  assert.equal((await node.call("GC", "x/y", "", { conf })).code, 0);
  assert.deepEqual(await node.store(), {});
});

Deno.test("GC leaves what an old host-local wrote of a valid attachment, and what nobody understands", async () => {
  const { node } = fakeNode();
  await node.put("10.244.1.50", "old");
  await node.put("10.244.1.51", "new\r\neth0\r\nmore");
  const valid = [{ containerID: "old", ifname: "eth0" }];
  const conf = { cniVersion: "1.1.0", "cni.dev/valid-attachments": valid };
  assert.equal((await node.call("GC", "x/y", "", { conf })).code, 0);
  assert.deepEqual(Object.keys(await node.store()), ["10.244.1.50", "10.244.1.51"]);
});

Deno.test("GC goes on to a host-local that knows it, and keeps the holds that this one frees", async () => {
  const { node, exec } = fakeNode();
  exec.versions = [...exec.versions, "1.1.0"];
  await node.add("default/a");
  await node.put("10.244.1.101", hold("default/c"));
  const conf = { cniVersion: "1.1.0", "cni.dev/valid-attachments": [] };
  assert.equal((await node.call("GC", "x/y", "", { conf })).code, 0);
  assert.equal(exec.runs.at(-1), "GC");
  assert.deepEqual(await node.store(), {
    "10.244.1.2": hold("default/a"),
    "10.244.1.101": hold("default/c"),
  });
  assert.equal((await node.call("STATUS", "x/y", "", { conf })).code, 0);
  assert.equal(exec.runs.at(-1), "STATUS");
});

Deno.test.each([
  { name: "nothing", valid: undefined },
  { name: "an object", valid: {} },
  { name: "an empty attachment", valid: [{}] },
  { name: "null among them", valid: [null] },
  { name: "one without an interface", valid: [{ containerID: "a" }] },
])(
  "GC refuses $name for attachments and frees nothing",
  async ({ valid }) => {
    const { node } = fakeNode();
    await node.add("default/a");
    const conf = { cniVersion: "1.1.0", "cni.dev/valid-attachments": valid };
    const { code, stdout } = await node.call("GC", "x/y", "", { conf });
    assert.deepEqual([code, JSON.parse(stdout).code], [1, 7]);
    assert.equal(Object.keys(await node.store()).length, 1);
  },
);

Deno.test("STATUS is well when host-local is there and the store can be written", async () => {
  const { node, fs, exec } = fakeNode();
  const status = async () => {
    const { code, stdout } = await node.call("STATUS", "x/y", "", {
      conf: { cniVersion: "1.1.0" },
    });
    return code === 0 ? 0 : JSON.parse(stdout).code;
  };
  assert.equal(await status(), 0);
  assert.deepEqual(await node.store(), {});
  fs.fault = (op) => op === "write" ? { code: "EROFS" } : undefined;
  assert.equal(await status(), 50);
  fs.fault = () => undefined;
  exec.fault = () => "absent";
  assert.equal(await status(), 50);
});

Deno.test("VERSION tells what both speak", async () => {
  const { node } = fakeNode();
  const { code, stdout } = await node.raw({ CNI_COMMAND: "VERSION", CNI_PATH: "/x" }, "");
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(stdout).supportedVersions.slice(-2), ["0.4.0", "1.0.0"]);
});

Deno.test("a call gives up on a lock that somebody keeps, with code 11", async () => {
  const { node, fs } = fakeNode();
  await fs.mkdir("/run/edge-agent", 0o755);
  const wait = fs.lock.bind(fs);
  fs.lock = (path) => wait(path, 1);
  const lock = await fs.lock("/run/edge-agent/ipam.lock", 1);
  const { code, stdout } = await node.call("ADD", "default/web-0", "c1");
  assert.deepEqual([code, JSON.parse(stdout).code], [1, 11]);
  lock?.[Symbol.dispose]();
});

Deno.test("host-local gets the whole environment of the plugin", async () => {
  const { node, exec } = fakeNode();
  const seen: Record<string, string>[] = [];
  const run = exec.run.bind(exec);
  exec.run = (argv, options) => {
    seen.push({ ...options?.env });
    return run(argv, options);
  };
  await node.call("ADD", "default/web-0", "c1", { env: { CNI_NETNS_OVERRIDE: "1" } });
  const [env] = seen;
  assert.deepEqual(
    [env?.CNI_NETNS_OVERRIDE, env?.CNI_PATH, env?.PATH, env?.CNI_IFNAME],
    ["1", "/opt/cni/bin", "/opt/cni/bin", "eth0"],
  );
});

Deno.test("thirty ADDs at once, of known pods and new ones, share no address", async () => {
  const { node } = fakeNode();
  const pods = Array.from({ length: 20 }, (_, i) => `default/web-${i}`);
  const before = new Map<string, string[]>();
  for (const pod of pods) before.set(pod, (await node.add(pod))!.ips);
  await node.reboot();
  const news = Array.from({ length: 10 }, (_, i) => `default/new-${i}`);
  const order = [...news, ...pods].toSorted((a, b) => a.at(-1)!.localeCompare(b.at(-1)!));
  const after = await Promise.all(order.map(async (pod) => [pod, await node.add(pod)] as const));
  for (const [pod, got] of after) {
    if (before.has(pod)) assert.deepEqual(got?.ips, before.get(pod), pod);
  }
  assert.equal(new Set(after.flatMap(([, got]) => got!.ips)).size, 30);
});
