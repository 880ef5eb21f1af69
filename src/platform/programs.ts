/**
 * Stock programs of a node that a compiled agent may run (`dist/permissions.ts`): a shell is none, nor is one that
 * runs others. Its runtime looks for them once, when it starts.
 */
export const PROGRAMS: readonly string[] = [
  "ip",
  "bridge",
  "sysctl",
  "cat",
  "modprobe",
  "ethtool",
  "host-local",
];
