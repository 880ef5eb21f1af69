/** How to start the agent. */
export type Program = readonly [string, ...string[]];

/**
 * What tells the dynamic linker something (ld.so(8)). The runtime of the binary starts no program while
 * one of them is set, so that a container runtime which has some would get no pod started or ended.
 */
const LINKER_VARIABLES = [
  ...["LD_ASSUME_KERNEL", "LD_AUDIT", "LD_BIND_NOT", "LD_BIND_NOW", "LD_DEBUG", "LD_DEBUG_OUTPUT"],
  ...["LD_DYNAMIC_WEAK", "LD_HWCAP_MASK", "LD_LIBRARY_PATH", "LD_ORIGIN_PATH", "LD_POINTER_GUARD"],
  ...["LD_PREFER_MAP_32BIT_EXEC", "LD_PRELOAD", "LD_PROFILE", "LD_PROFILE_OUTPUT", "LD_SHOW_AUXV"],
  ...["LD_TRACE_LOADED_OBJECTS", "LD_USE_LOAD_BIAS", "LD_VERBOSE", "LD_WARN"],
];

/**
 * The plugin file that runtimes start: a script, since the binary finds `host-local` through PATH, and
 * because it still starts and ends pods when the agent was deleted without undoing its setup, or was damaged.
 *
 * @param program absolute path of the agent, and its first arguments if it needs any
 * @param stateDir where the agent keeps records and snapshots: the plugin reads no config
 */
export function renderShim([binary, ...args]: Program, stateDir: string): string {
  return `#!/bin/sh
# CNI IPAM plugin of edge-agent: host-local gives the addresses, and a pod gets its former ones again.
# Written by edge-agent, and removed when its setup is undone.
PATH="\${CNI_PATH:+$CNI_PATH:}\${PATH:-/usr/sbin:/usr/bin:/sbin:/bin}"
EDGE_AGENT_STATE_DIR=${quote(stateDir)}
export PATH EDGE_AGENT_STATE_DIR
agent=${quote(binary)}
if [ "\${CNI_COMMAND:-}" != VERSION ] && [ -f "$agent" ] && [ -s "$agent" ] && [ -x "$agent" ] && conf=$(cat); then
  answer=$(
    unset ${LINKER_VARIABLES.join(" ")}
    printf '%s' "$conf" | "$agent"${args.map((arg) => ` ${quote(arg)}`).join("")}
  )
  code=$?
  if [ -n "$answer" ]; then
    printf '%s\\n' "$answer"
    exit $code
  fi
  # Done, or killed, which passes. Any other failure comes with an answer, unless the agent is damaged.
  case $code in 0 | 137 | 143) exit $code ;; esac
  echo "edge-agent: $agent ended with $code: host-local is asked without it" >&2
  printf '%s' "$conf" | host-local
  exit
fi
exec host-local
`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
