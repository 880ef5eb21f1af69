import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { run } from "../command.ts";
import { TextLineStream } from "../lines.ts";
import { until } from "../poll.ts";
import { canRunNode } from "./can_run_node.ts";
import { Cgroup, removeCgroup } from "./cgroup.ts";
import { Machine } from "./machine.ts";
import { Systemd, UNITS } from "./systemd.ts";

const can = await canRunNode();
if (!can.ok) await Deno.stderr.write(new TextEncoder().encode(`ignored: ${can.reason}\n`));

function test(name: string, body: (disk: string) => Promise<void>): void {
  Deno.test({
    name,
    ignore: !can.ok,
    async fn() {
      const disk = await Deno.makeTempDir({ prefix: "edge-agent-machine-" });
      try {
        await body(disk);
      } finally {
        await Deno.remove(disk, { recursive: true });
      }
    },
  });
}

/** An id that no other machine has. */
const newId = () => crypto.randomUUID();

test("Machine.powerOff() ends all processes and keeps what is on disk", async (disk) => {
  const id = newId();
  await using machine = new Machine({ disk, hostname: "edge-9", id });
  await machine.boot();
  assert.ok((await groupsOf(id)).length > 0);
  const service = machine.start("sleeper", ["sleep", "600"]);
  assert.equal((await machine.run(["hostname"])).stdout, "edge-9\n");
  await machine.run(["sh", "-c", "echo kept >/var/lib/file; echo gone >/run/file"]);
  const mounts = await readFile("/proc/self/mounts", "utf8");
  await machine.powerOff();
  await service.ended;
  assert.equal(await readFile("/proc/self/mounts", "utf8"), mounts);
  assert.deepEqual(await groupsOf(id), []);

  await machine.boot();
  const { stdout } = await machine.run(["sh", "-c", "cat /var/lib/file; test ! -e /run/file"]);
  assert.equal(stdout, "kept\n");
});

test("Service.stop() ends that process alone", async (disk) => {
  await using machine = new Machine({ disk, hostname: "edge-9", id: newId() });
  await machine.boot();
  const one = machine.start("one", ["sh", "-c", "echo hello; exec sleep 600"]);
  const other = machine.start("other", ["sleep", "600"]);
  await until("a log", async () => await one.log() === "hello\n");
  await one.stop();
  assert.throws(() => one.assertRunning(), /one ended/);
  other.assertRunning();
});

test("Machine ends with the process that booted it", async (disk) => {
  const module = JSON.stringify(import.meta.resolve("./machine.ts"));
  const id = newId();
  const options = JSON.stringify({ disk, hostname: "edge-9", id });
  const script = `
    import { Machine } from ${module};
    const machine = new Machine(${options});
    await machine.boot();
    const { stdout } = await machine.run(["sh", "-c", "exec readlink /proc/1/ns/pid"]);
    machine.start("sleeper", ["sleep", "600"]);
    console.log(stdout.trim());
    setInterval(() => {}, 1000);
  `;
  const owner = new Deno.Command(Deno.execPath(), {
    args: ["eval", script],
    stdout: "piped",
  }).spawn();
  const lines = owner.stdout.pipeThrough(new TextLineStream()).getReader();
  const namespace = (await lines.read()).value!;
  assert.ok(await countProcesses(namespace) > 0);
  owner.kill("SIGKILL");
  await owner.status;
  await lines.cancel();
  await until("its processes to end", async () => await countProcesses(namespace) === 0);
  // What the next run would do.
  await removeCgroup(Cgroup.pathOf(id));
  assert.deepEqual(await groupsOf(id), []);
});

/** The machine's control groups. */
async function groupsOf(id: string): Promise<string[]> {
  const { stdout } = await run(["find", "/sys/fs/cgroup", "-path", `*${Cgroup.pathOf(id)}*`]);
  return stdout.split("\n").filter(Boolean);
}

/** How many processes are in a pid namespace, by the name that the kernel gives it. */
async function countProcesses(namespace: string): Promise<number> {
  let count = 0;
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const own = await Deno.readLink(`/proc/${name}/ns/pid`).catch(() => undefined);
    if (own === namespace) count++;
  }
  return count;
}

test("Machine boots systemd, with its own units alone, and leaves nothing of it", async (disk) => {
  const id = newId();
  await using machine = new Machine({
    ...{ disk, hostname: "edge-9", id, init: "systemd", ownNetwork: true },
    folders: { "/etc": "copy", "/var/lib": "empty", "/var/log": "empty" },
  });
  const systemd = new Systemd(machine);
  await machine.boot();
  const before = await readdir("/tmp");
  await systemd.booted();
  assert.equal((await machine.run(["hostname"])).stdout, "edge-9\n");
  const unit =
    "[Service]\nType=oneshot\nPrivateTmp=yes\nExecStart=/bin/sh -c 'touch /tmp/a; echo hello'\n";
  await writeFile(machine.outside(`${UNITS}/greeter.service`), unit);
  await systemd.ctl("daemon-reload");
  await systemd.ctl("start", "greeter");
  assert.match(await systemd.journal("greeter"), /^hello$/m);
  assert.equal(await systemd.property("greeter", "Result"), "success");
  const { stdout } = await systemd.ctl("list-units", "--no-legend", "--plain", "--type=service");
  assert.match(stdout, /^systemd-journald\.service [^\n]*\n$/);
  await machine.powerOff();
  assert.deepEqual(await readdir("/tmp"), before);
  assert.deepEqual(await groupsOf(id), []);
});
