import assert from "node:assert/strict";
import { until } from "../poll.ts";
import { ACCEPT, ACCEPT_ONE, assertStatus, decode, namesOf } from "./compare.ts";
import { linkIs } from "./outage.ts";
import { note, PATIENCE_MS, shareCloud } from "./site.ts";
import { WATCH_LIST, WatchClient } from "./watch_client.ts";

const scenario = await shareCloud();

const REPRESENTATIONS = ["object", "metadata", "table"] as const;

for (
  const [what, query] of [
    ["of the namespace", "watch=true"],
    ["of that one object", "watch=true&fieldSelector=metadata.name%3Dgone"],
  ]
) {
  for (const watchedAs of ["object", "metadata"] as const) {
    const how = `a watch ${what}, ${watchedAs}`;
    scenario(`S03 deleted under ${how}, then link down: gone everywhere`, async (site) => {
      await site.create("gone", { labels: { tier: "front" } });
      await site.create("stays", { labels: { tier: "front" } });
      const proxy = await site.proxy();
      const collections = [
        site.path("configmaps"),
        "/api/v1/configmaps",
        `${site.path("configmaps")}?labelSelector=tier%3Dfront`,
      ];
      // Whatever a client ever asked for, and none of it asked for again.
      for (const as of REPRESENTATIONS) {
        await decode(proxy.fetch, site.path("configmaps", "gone"), ACCEPT_ONE[as]);
        for (const path of collections) await decode(proxy.fetch, path, ACCEPT[as]);
      }
      await using watch = await WatchClient.open(
        proxy.fetch,
        `${site.path("configmaps")}?${query}`,
        { accept: ACCEPT_ONE[watchedAs] },
      );
      await watch.sees("ADDED", "gone");
      await site.remove("gone");
      await watch.sees("DELETED", "gone");
      await site.cluster.link.refuse();
      for (const as of REPRESENTATIONS) {
        const get = await decode(proxy.fetch, site.path("configmaps", "gone"), ACCEPT_ONE[as]);
        assertStatus(get, 404, "NotFound", `GET ${as}`);
        for (const path of collections) {
          const list = await decode(proxy.fetch, path, ACCEPT[as]);
          assert.equal(list.status, 200, path);
          const names = namesOf(list.body);
          assert.ok(names.includes("stays") && !names.includes("gone"), `${as} ${path}: ${names}`);
        }
      }
    });
  }
}

scenario("S03 an object that left a selector is not taken for deleted", async (site) => {
  await site.create("moved", { labels: { tier: "front" } });
  const proxy = await site.proxy();
  const path = site.path("configmaps");
  await decode(proxy.fetch, path);
  const former = await decode(proxy.fetch, `${path}/moved`);
  await using watch = await WatchClient.open(
    proxy.fetch,
    `${path}?watch=true&labelSelector=tier%3Dfront`,
  );
  await watch.sees("ADDED", "moved");
  await site.patch("moved", { metadata: { labels: { tier: "back" } } });
  await watch.sees("DELETED", "moved");
  await site.cluster.link.refuse();
  assert.deepEqual((await decode(proxy.fetch, `${path}/moved`)).body, former.body);
  assert.deepEqual(namesOf((await decode(proxy.fetch, path)).body), ["moved"]);
});

scenario("S03 deleted through the agent, then link down: gone everywhere", async (site) => {
  for (const name of ["gone", "stays"]) await site.create(name);
  const proxy = await site.proxy();
  const path = site.path("configmaps");
  await decode(proxy.fetch, `${path}/gone`);
  await using watch = await WatchClient.open(proxy.fetch, `${path}?watch=true`);
  await watch.sees("ADDED", "gone");
  const answer = await proxy.fetch(`${path}/gone`, { method: "DELETE" });
  assert.equal(answer.status, 200);
  await answer.body?.cancel();
  await watch.sees("DELETED", "gone");
  await site.cluster.link.refuse();
  assertStatus(await decode(proxy.fetch, `${path}/gone`), 404, "NotFound");
  assert.deepEqual(namesOf((await decode(proxy.fetch, path)).body), ["stays"]);
});

for (const count of [15, 50]) {
  scenario(
    `S03 booted link-up after a week: never last week's state (${count} objects)`,
    async (site) => {
      const names = Array.from({ length: count }, (_, i) => `map-${String(i).padStart(2, "0")}`);
      await site.createMany(names);
      const stateDir = await site.directory();
      const path = site.path("configmaps");
      {
        const proxy = await site.proxy({}, { stateDir });
        await using watch = await WatchClient.open(proxy.fetch, `${path}?watch=true`);
        await watch.sees("ADDED", names.at(-1)!);
        await decode(proxy.fetch, `${path}/${names[1]}`);
        await proxy.stop();
      }
      await site.remove(names[0]!);
      await site.patch(names[1]!, { data: { text: "new" } });
      await site.create("new");
      const wanted = [...names.slice(1), "new"];
      const proxy = await site.proxy({}, { stateDir });
      const started = performance.now();
      const watchList = `${path}?${WATCH_LIST}`;
      const [list, plain, get, watch, initial] = await Promise.all([
        decode(proxy.fetch, `${path}?resourceVersion=0`),
        decode(proxy.fetch, path),
        decode(proxy.fetch, `${path}/${names[1]}`),
        WatchClient.open(proxy.fetch, watchList).then((watch) => site.use(watch)),
        WatchClient.open(proxy.fetch, `${path}?watch=true&resourceVersion=0`)
          .then((watch) => site.use(watch)),
      ]);
      await watch.seesInitialEventsEnd();
      await initial.sees("ADDED", "new");
      note(`current after ${Math.round(performance.now() - started)} ms`);
      for (const { body } of [list, plain]) {
        assert.deepEqual(namesOf(body), wanted);
        assert.deepEqual(body.items![0]!.data, { text: "new" });
      }
      assert.deepEqual(get.body.data, { text: "new" });
      for (const { changes } of [watch, initial]) {
        assert.deepEqual(changes.map(({ type, object }) => `${type} ${object.metadata.name}`), [
          ...wanted.map((name) => `ADDED ${name}`),
        ]);
        assert.deepEqual(changes[0]!.object.data, { text: "new" });
      }
      assert.equal(list.warning, null);
    },
  );
}

scenario("S04 a never-seen object is 504 link-down, not 404", async (site) => {
  await site.create("unseen");
  const proxy = await site.proxy();
  await linkIs(proxy, "up");
  await site.cluster.link.refuse();
  for (const as of REPRESENTATIONS) {
    const get = await decode(proxy.fetch, site.path("configmaps", "unseen"), ACCEPT_ONE[as]);
    assertStatus(get, 504, "Timeout", as);
    assertStatus(
      await decode(proxy.fetch, site.path("configmaps"), ACCEPT[as]),
      504,
      "Timeout",
      as,
    );
  }
});

scenario("S04 absent from a list that only passed by is 504 link-down", async (site) => {
  await site.create("seen");
  const proxy = await site.proxy();
  const path = site.path("configmaps");
  await decode(proxy.fetch, path);
  await site.create("unseen");
  await site.cluster.link.refuse();
  assertStatus(await decode(proxy.fetch, `${path}/unseen`), 504, "Timeout");
  assert.deepEqual(namesOf((await decode(proxy.fetch, path)).body), ["seen"]);
});

for (
  const [what, query] of [
    ["of the namespace", "watch=true"],
    ["of all namespaces", "watch=true"],
    ["of its name", "watch=true&fieldSelector=metadata.name%3Dabsent"],
  ]
) {
  scenario(`S04 absent under a live watch ${what} is 404 link-down`, async (site) => {
    await site.create("present");
    const proxy = await site.proxy();
    const collection = what === "of all namespaces"
      ? "/api/v1/configmaps"
      : site.path("configmaps");
    const path = `${collection}?${query}&allowWatchBookmarks=true`;
    await using watch = await WatchClient.open(proxy.fetch, path);
    if (what === "of its name") {
      await site.create("absent");
      await watch.sees("ADDED", "absent");
      await site.remove("absent");
      await watch.sees("DELETED", "absent");
    } else await watch.sees("ADDED", "present");
    await site.cluster.link.blackhole();
    const absent = await decode(proxy.fetch, site.path("configmaps", "absent"));
    assertStatus(absent, 404, "NotFound");
    // Another kind, and another namespace where the watch does not reach.
    assertStatus(await decode(proxy.fetch, site.path("secrets", "absent")), 504, "Timeout");
    const elsewhere = await decode(proxy.fetch, "/api/v1/namespaces/elsewhere/configmaps/absent");
    assert.equal(elsewhere.status, what === "of all namespaces" ? 404 : 504);
  });
}

scenario("S04 absent under a watch with a label selector is 504 link-down", async (site) => {
  await site.create("hidden");
  const proxy = await site.proxy();
  const path = site.path("configmaps");
  const query = `${WATCH_LIST}&labelSelector=tier%3Dfront`;
  await using watch = await WatchClient.open(proxy.fetch, `${path}?${query}`);
  await watch.seesInitialEventsEnd();
  await site.cluster.link.refuse();
  assertStatus(await decode(proxy.fetch, `${path}/hidden`), 504, "Timeout");
});

scenario("S04 after a restart link-down an absence proves nothing any more", async (site) => {
  await site.create("present");
  const stateDir = await site.directory();
  const path = site.path("configmaps");
  {
    const proxy = await site.proxy({}, { stateDir });
    await using watch = await WatchClient.open(proxy.fetch, `${path}?watch=true`);
    await watch.sees("ADDED", "present");
    await proxy.stop();
  }
  await site.cluster.link.refuse();
  await site.create("meanwhile");
  const proxy = await site.proxy({}, { stateDir });
  assertStatus(await decode(proxy.fetch, `${path}/meanwhile`), 504, "Timeout");
  await using watch = await WatchClient.open(proxy.fetch, `${path}?watch=true`);
  await watch.sees("ADDED", "present");
  assertStatus(await decode(proxy.fetch, `${path}/meanwhile`), 504, "Timeout");
  await site.cluster.link.restore();
  await watch.sees("ADDED", "meanwhile");
  await until("the object to be there", async () => {
    return (await decode(proxy.fetch, `${path}/meanwhile`)).status === 200;
  }, { timeoutMs: PATIENCE_MS });
});
