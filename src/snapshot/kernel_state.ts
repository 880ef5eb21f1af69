import { type Exec, ProgramError } from "../platform/exec.ts";
import type { Interface, KernelState } from "./model.ts";
import {
  isRecentEnough,
  MIN_IPROUTE2,
  parseFdb,
  parseInterfaces,
  parseIprouteVersion,
  parseNeighbours,
  parseRoutes,
} from "./iproute.ts";

/** What to do about a host whose tools can't do what is needed. */
const MEND = `install iproute2 ${MIN_IPROUTE2} or later`;

/**
 * Reads the host's links, addresses, neighbours, FDB and routes. Nothing is changed.
 *
 * @throws {ProgramError} when a program is missing or fails
 * @throws {SyntaxError} when one prints something else than iproute2 does
 */
export async function readKernelState(exec: Exec): Promise<KernelState> {
  const [links, addresses, neighbours4, neighbours6, fdb, routes4, routes6] = await Promise.all([
    read(exec, ["ip", "-j", "-d", "link", "show"]),
    read(exec, ["ip", "-j", "address", "show"]),
    read(exec, ["ip", "-j", "-4", "neigh", "show", "nud", "permanent"]),
    read(exec, ["ip", "-j", "-6", "neigh", "show", "nud", "permanent"]),
    read(exec, ["bridge", "-j", "fdb", "show"]),
    read(exec, ["ip", "-j", "-4", "route", "show", "table", "main"]),
    read(exec, ["ip", "-j", "-6", "route", "show", "table", "main"]),
  ]);
  const of = <T>(what: string, texts: string[], parse: (texts: readonly string[]) => T): T =>
    remembered(exec, what, texts, parse);
  return {
    ...of("interfaces", [links, addresses], ([link, address]) => parseInterfaces(link!, address!)),
    neighbours: of(
      "neighbours",
      [neighbours4, neighbours6],
      (each) => each.flatMap(parseNeighbours),
    ),
    fdb: of("fdb", [fdb], (each) => each.flatMap(parseFdb)),
    routes: of("routes", [routes4, routes6], (each) => each.flatMap(parseRoutes)),
  };
}

/** What was read last, by host. Most looks find nothing new, and what thousands of peers leave behind adds up. */
const memory = new WeakMap<Exec, Map<string, { texts: readonly string[]; value: unknown }>>();

function remembered<T>(
  exec: Exec,
  what: string,
  texts: readonly string[],
  parse: (texts: readonly string[]) => T,
): T {
  const ofHost = memory.get(exec) ??
    new Map<string, { texts: readonly string[]; value: unknown }>();
  memory.set(exec, ofHost);
  const last = ofHost.get(what);
  if (last?.texts.every((text, i) => text === texts[i])) return last.value as T;
  const value = parse(texts);
  ofHost.set(what, { texts, value });
  return value;
}

/** The host's interfaces alone. @throws as {@linkcode readKernelState} */
export async function readInterfaces(exec: Exec): Promise<Interface[]> {
  const [links, addresses] = await Promise.all([
    read(exec, ["ip", "-j", "-d", "link", "show"]),
    read(exec, ["ip", "-j", "address", "show"]),
  ]);
  return parseInterfaces(links, addresses).interfaces;
}

async function read(exec: Exec, argv: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await exec.run(argv);
  if (code === 0) return stdout;
  throw new ProgramError(
    argv[0]!,
    `"${argv.join(" ")}" ended with code ${code}: ${stderr.trim() || "it said nothing"}`,
  );
}

/**
 * Makes sure that the host's `ip` and `bridge` can do what is needed.
 *
 * @throws {ProgramError} saying what is there instead, and what to do
 */
export async function checkIproute(exec: Exec): Promise<void> {
  const { stdout, stderr } = await exec.run(["ip", "-V"]);
  const version = parseIprouteVersion(stdout + stderr);
  if (version === undefined) {
    throw new ProgramError("ip", `"ip" is not that of iproute2: ${MEND}`);
  }
  if (!isRecentEnough(version)) {
    throw new ProgramError("ip", `"ip" is of iproute2 ${version}: ${MEND}`);
  }
  // Of the same package; which release it is of, older ones don't say.
  const bridge = await exec.run(["bridge", "-V"]);
  if (!/^bridge utility/.test(bridge.stdout)) {
    throw new ProgramError("bridge", `"bridge" is not that of iproute2: ${MEND}`);
  }
}
