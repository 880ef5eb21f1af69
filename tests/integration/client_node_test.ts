import { CoreV1Api, KubeConfig, makeInformer } from "@kubernetes/client-node";
import assert from "node:assert/strict";
import { startFakeSite } from "../testing/fake_site.ts";

// The library keeps sockets of its own for reuse, which the sanitizers take for leaks.
const unsanitized = { sanitizeOps: false, sanitizeResources: false };

/** Waits for the condition to hold after one of the events. */
function until(holds: () => boolean, subscribe: (check: () => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error("The informer did not get there")), 20_000);
    subscribe(() => {
      if (!holds()) return;
      clearTimeout(late);
      resolve();
    });
  });
}

Deno.test({
  name: "the Kubernetes client for JavaScript lists and informs itself through an outage",
  ...unsanitized,
  async fn() {
    await using site = await startFakeSite();
    const configMap = (name: string) => ({ metadata: { name, namespace: "default" } });
    site.cloud.create("configmaps", configMap("a"));
    const config = new KubeConfig();
    config.loadFromFile(site.proxy.kubeconfig("node"));
    const api = config.makeApiClient(CoreV1Api);
    const path = "/api/v1/namespaces/default/configmaps";
    const list = () => api.listNamespacedConfigMap({ namespace: "default" });
    const informer = makeInformer(config, path, list);
    const seen: string[] = [];
    let check = () => {};
    for (const event of ["add", "update", "delete"] as const) {
      informer.on(event, (object) => {
        seen.push(`${event} ${object.metadata?.name}`);
        check();
      });
    }
    const saw = (...wanted: string[]) =>
      until(() => wanted.every((each) => seen.includes(each)), (each) => {
        check = each;
        each();
      });
    await informer.start();
    await saw("add a");
    site.link.set({ state: "refused" });
    // Asked while the link is down: the same answer as before.
    assert.deepEqual((await list()).items.map(({ metadata }) => metadata?.name), ["a"]);
    site.cloud.create("configmaps", configMap("b"));
    site.cloud.delete("configmaps", { name: "a" });
    site.link.set({ state: "up" });
    await saw("add b", "delete a");
    assert.deepEqual(seen, ["add a", "add b", "delete a"]);
    await informer.stop();
  },
});
