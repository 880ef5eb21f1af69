import assert from "node:assert/strict";
import { createExec, ProgramError } from "../../src/platform/exec.ts";

const exec = createExec();

Deno.test("Exec.run() gives code, output and error output of a program", async () => {
  const { code, stdout, stderr } = await exec.run(["sh", "-c", "cat; echo $X >&2; exit 3"], {
    stdin: "in",
    env: { X: "y" },
  });
  assert.deepEqual({ code, stdout, stderr }, { code: 3, stdout: "in", stderr: "y\n" });
});

Deno.test("Exec.run() does not mind a program that reads none of its input", async () => {
  const { code } = await exec.run(["true"], { stdin: "x".repeat(1_000_000) });
  assert.equal(code, 0);
});

Deno.test("Exec.run() names a program that is not there", async () => {
  await assert.rejects(exec.run(["no-such-program"]), (error) => {
    assert.ok(error instanceof ProgramError);
    assert.equal(error.message, 'there is no program "no-such-program" on PATH: install it');
    return true;
  });
});

Deno.test("Exec.run() kills a program that takes too long", async () => {
  await assert.rejects(exec.run(["sleep", "100"], { timeoutMs: 50 }), /did not end within 0.05 s/);
});

Deno.test.each([
  { name: "minds no SIGTERM", script: 'trap "" TERM; while :; do sleep 0.1; done' },
  { name: "left its output to a child that goes on", script: "sleep 5 & exit 0" },
])("Exec.run() waits no longer for a program that $name", async ({ script }) => {
  const startedMs = performance.now();
  const running = exec.run(["sh", "-c", script], { timeoutMs: 200 });
  await assert.rejects(running, /did not end within 0.2 s/);
  assert.ok(performance.now() - startedMs < 3_000);
});

Deno.test("Exec.lines() gives lines as they come, and kills the program when told to stop", async () => {
  const stop = new AbortController();
  const seen: string[] = [];
  for await (const line of exec.lines(["sh", "-c", "echo a; echo b; sleep 100"], stop.signal)) {
    seen.push(line);
    if (line === "b") stop.abort();
  }
  assert.deepEqual(seen, ["a", "b"]);
});

Deno.test("Exec.lines() tells that a program failed", async () => {
  const { signal } = new AbortController();
  await assert.rejects(Array.fromAsync(exec.lines(["sh", "-c", "exit 4"], signal)), /code 4/);
});

Deno.test("Exec.lines() kills a program that nobody listens to any more", async () => {
  const { signal } = new AbortController();
  for await (const line of exec.lines(["yes"], signal)) {
    assert.equal(line, "y");
    break;
  }
});
