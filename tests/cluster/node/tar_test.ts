import assert from "node:assert/strict";
import { run } from "../command.ts";
import { tarOf } from "./tar.ts";

Deno.test("tarOf() writes what tar reads", async () => {
  const folder = await Deno.makeTempDir({ prefix: "edge-agent-tar-" });
  try {
    const content = new TextEncoder().encode("hello".repeat(200));
    await Deno.writeFile(
      `${folder}/a.tar`,
      tarOf([
        { path: "bin", mode: 0o750 },
        { path: "bin/tool", mode: 0o755, content },
        { path: "bin/link", target: "tool" },
        { path: "empty", mode: 0o600, content: new Uint8Array() },
      ]),
    );
    const { stdout } = await run(["tar", "-tvf", `${folder}/a.tar`, "--numeric-owner"]);
    const members = stdout.trim().split("\n").map((line) =>
      line.replace(/ \d{4}-\d\d-\d\d \d\d:\d\d/, "").replaceAll(/ +/g, " ")
    );
    assert.deepEqual(members, [
      "drwxr-x--- 0/0 0 bin/",
      "-rwxr-xr-x 0/0 1000 bin/tool",
      "lrwxrwxrwx 0/0 0 bin/link -> tool",
      "-rw------- 0/0 0 empty",
    ]);
    await run(["tar", "-xf", `${folder}/a.tar`, "-C", folder]);
    assert.equal(await Deno.readTextFile(`${folder}/bin/link`), "hello".repeat(200));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("tarOf() refuses a name that does not fit", () => {
  assert.throws(() => tarOf([{ path: "x".repeat(101), mode: 0 }]), /Cannot put/);
});
