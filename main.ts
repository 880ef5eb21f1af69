// A container runtime starts the agent as a CNI plugin, once for every pod: the command line stays unloaded.
const run = Deno.env.get("CNI_COMMAND") === undefined
  ? async () => (await import("./src/cli/mod.ts")).runCli(Deno.args)
  : async () => (await import("./src/cli/cni_plugin.ts")).runCniPlugin();

Deno.exit(await run());
