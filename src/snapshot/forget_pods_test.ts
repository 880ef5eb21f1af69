import assert from "node:assert/strict";
import { FakeClock } from "../../tests/testing/fake_clock.ts";
import { forgetPods } from "./forget_pods.ts";

interface Heard {
  objects?: string[];
  heardAtMs?: number;
  upSinceMs?: number;
}

/** The pods that were said to be all there are, 200 s after the start. */
async function toldBy({ objects = ["default/web"], ...heard }: Heard): Promise<string[][]> {
  const clock = new FakeClock();
  await clock.advance(200_000);
  const told: string[][] = [];
  const sticky = {
    forget(pods: ReadonlySet<string>, askedAtMs: number): Promise<void> {
      assert.equal(askedAtMs, clock.now() - 60_000);
      told.push([...pods]);
      return Promise.resolve();
    },
  };
  const view = { objects, heardAtMs: heard.heardAtMs };
  await forgetPods(sticky, view, heard.upSinceMs, clock);
  return told;
}

Deno.test("forgetPods() relies on what was said since the link is up, once it is up for a minute", async () => {
  assert.deepEqual(await toldBy({ upSinceMs: 140_000, heardAtMs: 150_000 }), [["default/web"]]);
});

Deno.test.each<{ name: string; heard: Heard }>([
  { name: "the link is down", heard: { heardAtMs: 150_000 } },
  { name: "the link came up just now", heard: { upSinceMs: 141_000, heardAtMs: 150_000 } },
  { name: "nothing was said since it is up", heard: { upSinceMs: 100_000, heardAtMs: 99_000 } },
  { name: "nothing is said any more", heard: { upSinceMs: 0, heardAtMs: 1_000 } },
  { name: "nobody can be asked", heard: { upSinceMs: 0 } },
])("forgetPods() forgets nobody while $name", async ({ heard }) => {
  assert.deepEqual(await toldBy(heard), []);
});

Deno.test("forgetPods() forgets nobody before the first list", async () => {
  const clock = new FakeClock();
  await clock.advance(200_000);
  const sticky = { forget: () => assert.fail() };
  await forgetPods(sticky, { objects: undefined, heardAtMs: 150_000 }, 0, clock);
  await forgetPods(sticky, undefined, 0, clock);
});
