// A container runtime starts the agent as a CNI plugin, once for every pod: the command line stays unloaded.
const run = Deno.env.get("CNI_COMMAND")
  ? async () => (await import("./src/cli/cni_plugin.ts")).runCniPlugin()
  : async () => (await import("./src/cli/mod.ts")).runCli(Deno.args);

Deno.exit(await run());
