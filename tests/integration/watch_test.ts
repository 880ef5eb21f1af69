import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { watchDirectories } from "../../src/platform/watch.ts";

Deno.test("watchDirectories() tells of a directory that was removed and made again", async () => {
  const parent = await mkdtemp("/tmp/edge-agent-watch-");
  const path = join(parent, "flannel");
  await mkdir(path);
  let changed = Promise.withResolvers<void>();
  /** Resolves at the first change after `act`. */
  const after = async (act: () => Promise<unknown>) => {
    changed = Promise.withResolvers();
    await act();
    await changed.promise;
  };
  {
    using watch = watchDirectories([path], () => changed.resolve());
    await after(() => writeFile(join(path, "subnet.env"), "1"));
    await after(() => rm(path, { recursive: true }));
    await new Promise((resolve) => setTimeout(resolve, 100));
    await mkdir(path);
    // Whoever is told extends; it may take some events until the removal is among them.
    const again = setInterval(() => watch.extend([path]), 10);
    const write = setInterval(() => void writeFile(join(path, "subnet.env"), "2"), 20);
    changed = Promise.withResolvers();
    const limit = setTimeout(() => changed.reject(new Error("nothing was told")), 3_000);
    try {
      await changed.promise;
    } finally {
      for (const timer of [again, write, limit]) clearTimeout(timer);
    }
  }
  await rm(parent, { recursive: true });
});
