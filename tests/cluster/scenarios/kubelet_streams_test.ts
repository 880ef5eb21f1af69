import assert from "node:assert/strict";
import { KubectlProcess } from "../node/kubectl_process.ts";
import { canRunNode } from "../node/can_run_node.ts";
import { Node } from "../node/node.ts";
import { createWorkload, PASSWORD, POD, POD_PORT, podReady } from "../node/workload.ts";
import { shareCloud, type Site } from "./site.ts";

const scenario = await shareCloud({ needs: canRunNode });

/** How kubectl is made to speak the one protocol or the other (KEP-4006). */
const PROTOCOLS = {
  WebSocket: { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: "true", KUBECTL_PORT_FORWARD_WEBSOCKETS: "true" },
  SPDY: { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: "false", KUBECTL_PORT_FORWARD_WEBSOCKETS: "false" },
} as const;

/** By which way kubectl reaches the API server; both are the administrator. */
const ROUTES: Record<string, (site: Site) => Promise<string>> = {
  "the cloud directly": (site) => Promise.resolve(site.cluster.kubeconfigs.admin),
  "the agent": async (site) => (await site.proxy()).kubeconfig("admin"),
};

for (const [route, kubeconfigOf] of Object.entries(ROUTES)) {
  scenario(`S20 kubectl reaches a real container by ${route}`, async (site) => {
    const { cluster, namespace } = site;
    const node = site.use(await Node.boot(cluster));
    await node.startKubelet({ kubeconfig: cluster.kubeconfigs.node });
    site.use(await createWorkload(cluster, namespace));
    await podReady(cluster, namespace);
    const kubeconfig = await kubeconfigOf(site);
    const own = ["--namespace", namespace];

    for (const [protocol, env] of Object.entries(PROTOCOLS)) {
      const options = { kubeconfig, env };
      const exec = (...argv: string[]) => ["exec", POD, ...own, "--", ...argv];

      const read = await cluster.kubectl(exec("cat", "/secret/password"), options);
      assert.deepEqual([read.stdout, read.stderr], [PASSWORD, ""], protocol);

      const large = "0123456789abcdef".repeat(64 * 1024);
      const echoed = await cluster.kubectl(["exec", "-i", POD, ...own, "--", "cat"], {
        ...options,
        stdin: large,
      });
      assert.equal(echoed.stdout.length, large.length, protocol);
      assert.ok(echoed.stdout === large, protocol);

      const failed = await cluster.kubectl(exec("sh", "-c", "echo no >&2; exit 3"), {
        ...options,
        allowFailure: true,
      });
      assert.deepEqual([failed.code, failed.stderr.split("\n")[0]], [3, "no"], protocol);

      const started = (args: string[]) => KubectlProcess.start(cluster, [...args, ...own], options);
      await using logs = await started(["logs", "-f", POD]);
      await logs.prints(/started with correct horse and hello/);
      await using attached = await started(["attach", "-i", POD]);
      await attached.say(`ping by ${protocol}\n`);
      await attached.prints(new RegExp(`ping by ${protocol}`));
      await logs.prints(new RegExp(`ping by ${protocol}`));

      await using forwarded = await started(["port-forward", POD, `:${POD_PORT}`]);
      const [, port] = await forwarded.prints(/Forwarding from 127\.0\.0\.1:(\d+)/);
      const answer = await fetch(`http://127.0.0.1:${port}/`);
      assert.equal(await answer.text(), "hello", protocol);
    }
  });
}
