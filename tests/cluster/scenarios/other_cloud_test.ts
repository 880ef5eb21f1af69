import assert from "node:assert/strict";
import { join } from "node:path";
import type { TestProxy } from "../../testing/test_proxy.ts";
import { decode, namesOf } from "./compare.ts";
import { until } from "../poll.ts";
import { noticeDown } from "./outage.ts";
import { note, PATIENCE_MS, shareCloud, type Site } from "./site.ts";
import { WatchClient } from "./watch_client.ts";

// etcd and the API server are restarted: their processes begin in one test and end in another.
const scenario = await shareCloud({ sanitize: false });

/** Does something to etcd's files while nobody uses them. */
async function betweenLives(site: Site, work: (folder: string) => Promise<void>): Promise<void> {
  const { cluster } = site;
  await cluster.stop("kube-apiserver", "SIGKILL");
  await cluster.stop("etcd", "SIGTERM");
  await work(join(cluster.folder, "etcd"));
  await cluster.start("etcd");
  await cluster.start("kube-apiserver");
}

async function copy(from: string, to: string): Promise<void> {
  const { success } = await new Deno.Command("cp", { args: ["-a", from, to] }).output();
  assert.ok(success, `cp ${from} ${to}`);
}

const verdicts = (proxy: TestProxy, verdict: string) =>
  proxy.metric("edge_agent_proxy_cloud_changes_total", { verdict });

async function createService(site: Site, name: string): Promise<void> {
  await site.cloud(site.path("services"), {
    method: "POST",
    body: JSON.stringify({
      metadata: { name },
      spec: { clusterIP: "None", ports: [{ port: 80 }] },
    }),
  });
}

/** The identities differ in what they may ask: a node may not read the Namespace that tells best. */
const IDENTITIES = {
  "an administrator": (site: Site) => site.admin,
  "a node": (site: Site) => {
    const { cert, key } = site.cluster.certFiles.node;
    return { name: "node", certFile: cert, keyFile: key };
  },
};

for (const [who, identityOf] of Object.entries(IDENTITIES)) {
  scenario(
    `S08 a cloud restored from a backup is noticed with the rights of ${who}`,
    async (site) => {
      await createService(site, "kept");
      const backup = `${await site.directory()}/etcd`;
      await betweenLives(site, (folder) => copy(folder, backup));
      await createService(site, "lost");
      const proxy = await site.proxy({ identities: [identityOf(site)] });
      const path = "/api/v1/services";
      await using watch = await WatchClient.open(proxy.fetch, `${path}?watch=true`);
      await watch.sees("ADDED", "lost");
      const { metadata } = (await decode(proxy.fetch, `${path}?resourceVersion=0`)).body;

      await betweenLives(site, async (folder) => {
        await Deno.remove(folder, { recursive: true });
        await copy(backup, folder);
      });
      const restoredAt = performance.now();
      await until("the watch to end", () => watch.state === "ended", { timeoutMs: PATIENCE_MS });
      const end = watch.frames.at(-1)!;
      assert.deepEqual([end.type, end.object.code], ["ERROR", 410]);
      note(
        `clients were told ${Math.round(performance.now() - restoredAt)} ms after the restored one`,
      );
      assert.equal(await verdicts(proxy, "restored"), 1);
      const { body } = await decode(proxy.fetch, `${path}?resourceVersion=0`);
      const names = namesOf(body);
      assert.ok(names.includes("kept") && !names.includes("lost"), names.join());
      // Nor does it hang for whoever comes with a version of the lost time.
      await using late = await WatchClient.open(
        proxy.fetch,
        `${path}?watch=true&resourceVersion=${metadata.resourceVersion}`,
      );
      await until("the late watch to end", () => late.state === "ended", {
        timeoutMs: PATIENCE_MS,
      });
      assert.equal(late.frames.at(-1)!.object.code, 410);
      assert.equal(await verdicts(proxy, "replaced"), 0);
      // And it goes on.
      await using next = await WatchClient.open(proxy.fetch, `${path}?watch=true`);
      await createService(site, "afterwards");
      await next.sees("ADDED", "afterwards");
    },
  );

  scenario(
    `S08 another cluster in the place of the cloud is noticed with the rights of ${who}`,
    async (site) => {
      await createService(site, "old");
      const stateDir = await site.directory();
      const identities = [identityOf(site)];
      const path = "/api/v1/services";
      const proxy = await site.proxy({ identities }, { stateDir });
      await using watch = await WatchClient.open(proxy.fetch, `${path}?watch=true`);
      await watch.sees("ADDED", "old");
      await betweenLives(site, (folder) => Deno.remove(folder, { recursive: true }));
      await until("the watch to end", () => watch.state === "ended", { timeoutMs: PATIENCE_MS });
      const end = watch.frames.at(-1)!;
      assert.deepEqual([end.type, end.object.code], ["ERROR", 410]);
      // Its own first Service takes a moment.
      await until("the other cluster's services", async () => {
        const { body } = await decode(proxy.fetch, `${path}?resourceVersion=0`);
        return namesOf(body).join() === "kubernetes";
      }, { timeoutMs: PATIENCE_MS });
      assert.equal(await verdicts(proxy, "replaced"), 1);
      await site.cluster.link.refuse();
      await noticeDown(proxy);
      const offline = await decode(proxy.fetch, `${path}?resourceVersion=0`);
      assert.deepEqual(namesOf(offline.body), ["kubernetes"]);
      await site.cluster.link.restore();
    },
  );
}
