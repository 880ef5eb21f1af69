import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "./sources.ts";

/** How many variables a bundle declares by `using`. */
async function declarations(flags: readonly string[]): Promise<number> {
  const folder = await Deno.makeTempDir();
  try {
    const output = join(folder, "bundle.js");
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["bundle", "--quiet", ...flags, "--output", output, join(ROOT, "main.ts")],
      cwd: ROOT,
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    return (await readFile(output, "utf8")).match(/\busing [\w$]+\s*=/g)?.length ?? 0;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

// The minifier of Deno 2.9.6's bundler puts a value that is used once, and at once, in the place of its
// variable, and drops `using`: nothing is closed in the compiled binary, while all is well from source.
Deno.test("the minified bundle closes what the source closes by `using`", async () => {
  const plain = await declarations([]);
  assert.ok(plain > 0);
  assert.equal(await declarations(["--minify"]), plain, "use try and finally there");
});
