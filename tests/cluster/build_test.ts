import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

Deno.test("buildCluster() says what to install when Go is missing", async () => {
  const folder = await mkdtemp(join(tmpdir(), "edge-agent-build-"));
  try {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", join(import.meta.dirname!, "build.ts")],
      env: { PATH: folder, EDGE_AGENT_TEST_CACHE: folder, NO_COLOR: "1" },
    }).output();
    assert.equal(code, 1);
    assert.equal(stdout.length, 0);
    assert.match(
      new TextDecoder().decode(stderr),
      /"go" is not on PATH: install Go 1\.\d+ or later/,
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});
