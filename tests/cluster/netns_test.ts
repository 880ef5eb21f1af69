import assert from "node:assert/strict";
import { readdir, readFile, stat } from "node:fs/promises";
import { hasNetAdmin } from "./net_admin.ts";
import { cleanupStale, type CloudNetwork, createNetwork } from "./netns.ts";
import { TextLineStream } from "./lines.ts";

const netAdmin = await hasNetAdmin();

Deno.test({
  name: "createNetwork() gives each network addresses of its own",
  ignore: !netAdmin.ok,
  fn: async () => {
    const networks = await Promise.all([createNetwork(), createNetwork(), createNetwork()]);
    try {
      const addresses = networks.flatMap(({ link, backdoor }) => [
        ...[link.rootAddress, link.cloudAddress, backdoor.rootAddress, backdoor.cloudAddress],
      ]);
      assert.equal(new Set(addresses).size, 12);
      // A live run's networks are never stale.
      const names = networks.map(({ namespace }) => namespace);
      assert.deepEqual((await cleanupStale()).filter((name) => names.includes(name)), []);
    } finally {
      await Promise.all(networks.map((network) => network.remove()));
    }
  },
});

Deno.test({
  name: "cleanupStale() removes what a killed run left, its processes too",
  ignore: !netAdmin.ok,
  fn: async () => {
    const module = JSON.stringify(import.meta.resolve("./netns.ts"));
    const script = `
      import { createNetwork } from ${module};
      const network = await createNetwork();
      const args = ["netns", "exec", network.namespace, "sleep", "600"];
      const { pid } = new Deno.Command("ip", { args, stdout: "null" }).spawn();
      console.log(JSON.stringify({ ...network, pid }));
      setInterval(() => {}, 1000);
    `;
    const run = new Deno.Command(Deno.execPath(), {
      args: ["eval", script],
      stdout: "piped",
    }).spawn();
    const lines = run.stdout.pipeThrough(new TextLineStream()).getReader();
    const { value } = await lines.read();
    const left: CloudNetwork & { pid: number } = JSON.parse(value!);
    run.kill("SIGKILL");
    await run.status;
    await lines.cancel();
    assert.ok((await stat(left.folder)).isDirectory());

    assert.ok((await cleanupStale()).includes(left.namespace));
    assert.ok(!(await readdir("/run/netns")).includes(left.namespace));
    assert.ok(!(await readdir("/sys/class/net")).includes(left.link.rootDevice));
    await assert.rejects(stat(left.folder));
    assert.ok(await hasEnded(left.pid));
    assert.ok(!(await cleanupStale()).includes(left.namespace));
  },
});

/** Gone, or dead and not yet buried by its new parent. */
async function hasEnded(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => undefined);
  return status === undefined || /^State:\s+Z/m.test(status);
}
