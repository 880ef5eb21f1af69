import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { cleanupStale } from "../cluster.ts";
import { run } from "../command.ts";
import { TextLineStream } from "../lines.ts";
import { canRunNode } from "../node/can_run_node.ts";
import { Cgroup } from "../node/cgroup.ts";
import { until } from "../poll.ts";

const can = await canRunNode();
if (!can.ok) await Deno.stderr.write(new TextEncoder().encode(`ignored: ${can.reason}\n`));

/** What the killed run tells of itself. */
interface Left {
  readonly folder: string;
  readonly namespace: string;
  /** Network namespaces, as the kernel names them. */
  readonly networks: readonly string[];
}

Deno.test({
  name: "EdgeSite ends with the process that created it",
  ignore: !can.ok,
  async fn() {
    const [cloud, site] = ["../cluster.ts", "./edge_site.ts"].map((file) =>
      JSON.stringify(import.meta.resolve(file))
    );
    const script = `
      import { startCluster } from ${cloud};
      import { EdgeSite } from ${site};
      const cluster = await startCluster({ controllerManager: false });
      const site = await EdgeSite.create(cluster, { cgroups: true });
      const [a] = site.hosts;
      const { kubeconfig } = site.flannel;
      await a.flannelReady(a.startFlanneld({ kubeconfig }), 0);
      const pod = await a.pods.add("default", "one");
      await pod.serveEcho();
      const read = ["readlink", "/proc/self/ns/net"];
      const ends = await Promise.all([a.run(read), pod.run(read)]);
      const networks = ends.map(({ stdout }) => stdout.trim());
      const { folder, namespace } = cluster;
      console.log(JSON.stringify({ folder, namespace, networks }));
      setInterval(() => {}, 1000);
    `;
    const owner = new Deno.Command(Deno.execPath(), { args: ["eval", script], stdout: "piped" })
      .spawn();
    const lines = owner.stdout.pipeThrough(new TextLineStream()).getReader();
    const left: Left = JSON.parse((await lines.read()).value!);
    assert.deepEqual(await livingOf(left.networks), left.networks);
    assert.ok(await isThere(left.folder));
    owner.kill("SIGKILL");
    await owner.status;
    await lines.cancel();
    await until(
      "the hosts' networks to end",
      async () => (await livingOf(left.networks)).length === 0,
    );

    assert.ok((await cleanupStale()).includes(left.namespace));
    assert.ok(!await isThere(left.folder));
    const { stdout } = await run(["find", "/sys/fs/cgroup", "-path", `*${Cgroup.pathOf("")}*`]);
    assert.ok(!stdout.includes(left.namespace));
  },
});

/** Which of some network namespaces a process is in. */
async function livingOf(networks: readonly string[]): Promise<string[]> {
  const living = new Set<string>();
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    living.add(await Deno.readLink(`/proc/${name}/ns/net`).catch(() => ""));
  }
  return networks.filter((network) => living.has(network));
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(() => true, () => false);
}
