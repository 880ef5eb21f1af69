import { isWorker, runWorker } from "./src/cli/worker.ts";

// A Worker of the bundled binary loads the whole bundle again, with `import.meta.main` true there too:
// only its name tells it apart, and it must not take itself for another agent.
if (isWorker(globalThis.name)) {
  await runWorker();
} else {
  const { runCli } = await import("./src/cli/mod.ts");
  Deno.exit(await runCli(Deno.args));
}
