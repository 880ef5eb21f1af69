/** How to start the agent. */
export type Program = readonly [string, ...string[]];

/**
 * The plugin file that runtimes start: a script, since the binary finds `host-local` through PATH, and
 * because it still starts pods when somebody has deleted the agent without undoing its setup.
 *
 * @param program absolute path of the agent, and its first arguments if it needs any
 */
export function renderShim([binary, ...args]: Program): string {
  return `#!/bin/sh
# CNI IPAM plugin of edge-agent: host-local gives the addresses, and a pod gets its former ones again.
# Written by edge-agent, and removed when its setup is undone.
PATH="\${CNI_PATH:+$CNI_PATH:}\${PATH:-/usr/sbin:/usr/bin:/sbin:/bin}"
export PATH
agent=${quote(binary)}
if [ "\${CNI_COMMAND:-}" != VERSION ] && [ -f "$agent" ] && [ -s "$agent" ] && [ -x "$agent" ]; then
  exec "$agent"${args.map((arg) => ` ${quote(arg)}`).join("")}
fi
exec host-local
`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
