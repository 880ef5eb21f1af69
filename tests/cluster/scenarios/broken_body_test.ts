import assert from "node:assert/strict";
import { until } from "../poll.ts";
import { ACCEPT, ACCEPT_ONE, assertSame, decode, namesOf } from "./compare.ts";
import { type Middlebox, type Spoil, throughMiddlebox } from "./middlebox.ts";
import { linkIs } from "./outage.ts";
import { PATIENCE_MS, shareCloud, type Site } from "./site.ts";

const scenario = await shareCloud();

const WAYS = ["reset", "truncate"] as const;
const NAMES = Array.from({ length: 40 }, (_, i) => `map-${String(i).padStart(2, "0")}`);

/** From now on the middlebox says that the cloud is away. */
function goOffline(box: Middlebox): void {
  box.spoil = () => ({ kind: "status", code: 503 });
}

async function changeAll(site: Site): Promise<void> {
  await Promise.all(NAMES.map((name) => site.patch(name, { data: { text: "changed" } })));
  await site.remove(NAMES[7]!);
  await site.create("another");
}

for (const kind of WAYS) {
  for (const representation of ["object", "metadata", "table"] as const) {
    const how = `${kind}, ${representation}`;
    scenario(`S02 a LIST cut in its body leaves the former list (${how})`, async (site) => {
      await site.createMany(NAMES);
      const { box, proxy } = await throughMiddlebox(site);
      const path = site.path("configmaps");
      const accept = ACCEPT[representation];
      const former = await decode(proxy.fetch, path, accept);
      assert.deepEqual(namesOf(former.body), NAMES);
      await changeAll(site);
      const whole = (await (await site.direct(path, { headers: { accept } })).bytes()).length;
      // In the head, in an item, between items, behind the last one, before the last brace.
      for (const afterBytes of [10, 1_000, Math.floor(whole / 2), whole - 3, whole - 2]) {
        box.spoil = (asked) => asked.startsWith(path) ? { kind, afterBytes } : undefined;
        const cut = await decode(proxy.fetch, path, accept).catch(() => undefined);
        // Broken off, or nothing that can be read, or (when not even its head came) the former one.
        if (cut?.age) assertSame(cut, former, `cut after ${afterBytes} bytes`);
        else assert.equal(cut?.body.kind, undefined, `cut after ${afterBytes} of ${whole} bytes`);
        goOffline(box);
        assertSame(await decode(proxy.fetch, path, accept), former, `after ${afterBytes} bytes`);
      }
      box.spoil = () => undefined;
      await linkIs(proxy, "up");
      const newest = await decode(proxy.fetch, path, accept);
      goOffline(box);
      assertSame(await decode(proxy.fetch, path, accept), newest, "whole at last");
      assert.ok(namesOf(newest.body).includes("another"));
    });

    scenario(`S02 a GET cut in its body leaves the former object (${how})`, async (site) => {
      const data = { text: "x".repeat(5_000) };
      await site.create("a", { data });
      const { box, proxy } = await throughMiddlebox(site);
      const path = site.path("configmaps", "a");
      const accept = ACCEPT_ONE[representation];
      const former = await decode(proxy.fetch, path, accept);
      await site.patch("a", { metadata: { labels: { changed: "yes" } } });
      const whole = (await (await site.direct(path, { headers: { accept } })).bytes()).length;
      for (const afterBytes of [1, 300, whole - 2]) {
        box.spoil = (asked) => asked.startsWith(path) ? { kind, afterBytes } : undefined;
        const answer = await decode(proxy.fetch, path, accept);
        if (kind === "truncate") {
          // It looks whole until it is read, and the client can read it as well as the agent.
          assert.equal(answer.body.metadata, undefined);
        } else {
          assertSame(answer, former, `after ${afterBytes} bytes`);
          assert.ok(answer.age !== null);
        }
        goOffline(box);
        assertSame(await decode(proxy.fetch, path, accept), former, `after ${afterBytes} bytes`);
      }
    });
  }

  scenario(
    `S02 a reflector's LIST cut in its body leaves the former state (${kind})`,
    async (site) => {
      await site.createMany(NAMES.slice(0, 15));
      const stateDir = await site.directory();
      const path = `${site.path("configmaps")}?resourceVersion=0`;
      let former;
      {
        const { proxy } = await throughMiddlebox(site, stateDir);
        former = await decode(proxy.fetch, path);
        assert.equal(namesOf(former.body).length, 15);
        await proxy.stop();
      }
      await site.remove(NAMES[3]!);
      await site.patch(NAMES[4]!, { data: { text: "changed" } });
      // Few objects are listed anew at a start, and that list is cut again and again.
      const { box, proxy } = await throughMiddlebox(site, stateDir);
      const spoil: Spoil = { kind, afterBytes: 2_000 };
      let cuts = 0;
      box.spoil = (asked) => {
        if (!asked.startsWith(site.path("configmaps"))) return undefined;
        cuts++;
        return spoil;
      };
      const answer = decode(proxy.fetch, path);
      await until("two tries", () => cuts >= 2, { timeoutMs: PATIENCE_MS });
      goOffline(box);
      const offline = await answer;
      assertSame(offline, former, "offline");
      assert.ok(offline.age !== null);
      // And once the whole list comes, it is the new one.
      box.spoil = () => undefined;
      const wanted = namesOf(former.body).filter((name) => name !== NAMES[3]);
      await until("the new list", async () => {
        const { body } = await decode(proxy.fetch, path);
        return namesOf(body).join() === wanted.join();
      }, { timeoutMs: PATIENCE_MS });
    },
  );

  scenario(`S02 a first LIST cut in its body is no list (${kind})`, async (site) => {
    await site.createMany(NAMES);
    const { box, proxy } = await throughMiddlebox(site);
    const path = site.path("configmaps");
    box.spoil = (asked) => asked.startsWith(path) ? { kind, afterBytes: 9_000 } : undefined;
    await proxy.fetch(path).then((answer) => answer.text()).catch(() => {});
    goOffline(box);
    const { status, body } = await decode(proxy.fetch, path);
    assert.deepEqual([status, body.kind, body.reason], [504, "Status", "Timeout"]);
    assert.equal((await decode(proxy.fetch, `${path}/${NAMES[0]}`)).status, 504);
  });
}

scenario("S02 a LIST cut by the link itself leaves the former list", async (site) => {
  const noise = () => btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(30_000))));
  const names = NAMES.slice(0, 20);
  await Promise.all(names.map((name) => site.create(name, { data: { noise: noise() } })));
  const proxy = await site.proxy();
  const path = site.path("configmaps");
  const former = await decode(proxy.fetch, path);
  assert.deepEqual(namesOf(former.body), names);
  await Promise.all(names.map((name) => site.patch(name, { data: { noise: noise() } })));

  await site.cluster.link.throttle(1_000);
  const answer = await proxy.fetch(path);
  const reader = answer.body!.getReader();
  assert.equal((await reader.read()).done, false);
  // Resets what is there and refuses what is new.
  await site.cluster.link.refuse();
  await assert.rejects(async () => {
    while (!(await reader.read()).done);
  });
  assertSame(await decode(proxy.fetch, path), former, "offline");
});
