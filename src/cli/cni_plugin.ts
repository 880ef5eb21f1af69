import { systemClock } from "../kernel/clock.ts";
import { createExec } from "../platform/exec.ts";
import { createFs } from "../platform/fs.ts";
import { createHost, type Host } from "../platform/host.ts";
import { ipamPaths } from "../snapshot/ipam/ipam_paths.ts";
import { MAX_INPUT_BYTES, runPlugin } from "../snapshot/ipam/plugin.ts";

/**
 * Answers one call of a container runtime. Every pod waits for this: it loads nothing of the rest of the
 * agent, nor its config: the plugin file says where the state is. `EDGE_AGENT_ROOT` moves the agent's own paths, as
 * `--root` does elsewhere.
 */
export async function runCniPlugin(host: Host = createHost()): Promise<number> {
  const env = host.env();
  const ports = {
    fs: createFs(),
    clock: systemClock,
    exec: createExec(),
    paths: ipamPaths(env.EDGE_AGENT_ROOT, env.EDGE_AGENT_STATE_DIR),
  };
  const { code, stdout, stderr } = await runPlugin(
    ports,
    env,
    await host.readInput(MAX_INPUT_BYTES),
  );
  if (stderr !== "") host.write("stderr", stderr);
  host.write("stdout", stdout);
  return code;
}
