import assert from "node:assert/strict";
import { type Clock, systemClock } from "../../src/kernel/clock.ts";
import { dial } from "../../src/platform/dial.ts";
import { formatHead } from "../../src/platform/http_head.ts";
import { PATIENCE_MS } from "../../src/proxy/lanes/patience.ts";
import { until } from "../cluster/poll.ts";
import { startFakeSite } from "../testing/fake_site.ts";

/** A clock on which patience is short and all else takes its time. */
const IMPATIENT: Clock = {
  ...systemClock,
  timer: (ms, callback) => systemClock.timer(ms === PATIENCE_MS ? 300 : ms, callback),
};

/** Far more than what kernel and runtime hold for a client: 40 MB. */
const OBJECTS = 400;
const TEXT = "x".repeat(100_000);
const PATH = "/api/v1/namespaces/default/configmaps";

/** A site whose hub holds a lot. */
async function startSite() {
  const site = await startFakeSite({ clock: IMPATIENT });
  for (let i = 0; i < OBJECTS; i++) {
    site.cloud.create("configmaps", {
      metadata: { namespace: "default", name: `c${i}` },
      data: { text: TEXT },
    });
  }
  return site;
}

const WATCHES = `${PATH}?watch=true`;
const LISTS = `${PATH}?resourceVersion=0`;

Deno.test.each([
  { name: "list", path: LISTS },
  { name: "watch", path: WATCHES },
])("S20 a client that does not read its $name is cut off and hurts nobody", async ({ path }) => {
  await using site = await startSite();
  const { proxy } = site;
  const whole = async () => (await (await proxy.fetch(LISTS)).json()).items.length;
  assert.equal(await whole(), OBJECTS);

  const { signal } = new AbortController();
  const stuck = await dial({ url: proxy.url, ca: proxy.ca, signal });
  await stuck.write(formatHead(`GET ${path} HTTP/1.1`, [
    ["Host", new URL(proxy.url).host],
    ["Authorization", `Bearer ${await proxy.token("node")}`],
  ]));
  // In the meantime everybody else is served.
  assert.equal(await whole(), OBJECTS);
  await until("the client to be cut off", async () => {
    return await proxy.metric("edge_agent_proxy_stuck_clients_total") === 1;
  });
  assert.equal(await whole(), OBJECTS);
  assert.equal(await proxy.metric("edge_agent_proxy_watchers_count"), 0);
  // Its socket too is gone, although it reads nothing.
  await until("its connection to be cut", () => {
    return stuck.write(Uint8Array.of(10)).then(() => false, () => true);
  });
  stuck.close();
});

Deno.test("S20 a quiet watch is not taken for a client that does not read", async () => {
  let looks = 0;
  const timer: Clock["timer"] = (ms, callback) =>
    IMPATIENT.timer(ms, () => {
      if (ms === PATIENCE_MS) looks++;
      callback();
    });
  await using site = await startFakeSite({ clock: { ...IMPATIENT, timer } });
  const { proxy, cloud } = site;
  const leaving = new AbortController();
  const quiet = await proxy.fetch(WATCHES, { signal: leaving.signal });
  cloud.create("configmaps", { metadata: { namespace: "default", name: "first" } });
  const reader = quiet.body!.getReader();
  assert.match(new TextDecoder().decode((await reader.read()).value), /"first"/);
  await until("some looks at it", () => looks >= 3);
  cloud.create("configmaps", { metadata: { namespace: "default", name: "second" } });
  assert.match(new TextDecoder().decode((await reader.read()).value), /"second"/);
  assert.equal(await proxy.metric("edge_agent_proxy_stuck_clients_total"), 0);
  leaving.abort();
  await reader.cancel().catch(() => {});
});
