import { isNetworkName } from "./cni_names.ts";
import { arrayOf, isObject, type JsonObject, objectOf, parseJson, textOf } from "./loose_json.ts";

/** One file of the folder that the container runtime reads its networks from. */
export interface ConfFile {
  readonly name: string;
  readonly text: string;
}

/** flannel's network on this node, as its config tells it. */
export interface FlannelNetwork {
  readonly name: string;
  /** Where host-local keeps its stores, if not where it does by default. */
  readonly dataDir?: string;
  /** Where flannel CNI keeps the configs that it handed on, if not where it does by default. */
  readonly scratchDir?: string;
}

/** What to do about our config. */
export type ConflistPlan =
  /** Write `text` to `file`; `remove` are files of ours that bear another name now. */
  | {
    state: "wanted";
    file: string;
    text: string;
    remove: readonly string[];
    network: FlannelNetwork;
  }
  /**
   * flannel's config is not there (any more): ours, if there is one, makes CNI ready before flannel starts. `torn`
   * is a file that must be flannel's and of which a power cut left nothing that can be read.
   */
  | { state: "absent"; file?: string; network?: FlannelNetwork; torn?: string }
  /** There is something that we don't understand: leave everything as it is. */
  | { state: "refused"; reason: string };

/** The plugin's name, under which the runtime looks for it. */
export const PLUGIN = "edge-agent";

/**
 * Names that our config may have. Runtimes take the first of all by name: the first of these that sorts
 * before flannel's is used.
 */
const OUR_NAMES = [
  "05-edge-agent.conflist",
  "00-edge-agent.conflist",
  "+edge-agent.conflist",
] as const;

/** Whether a file of the folder is ours. */
export function isOurs(name: string): boolean {
  return (OUR_NAMES as readonly string[]).includes(name);
}

/**
 * Makes our config out of flannel's: the same network under the same name, only that `ipam.type` names
 * our plugin. `files` are all files of the folder.
 */
export function planConflist(files: readonly ConfFile[]): ConflistPlan {
  const sorted = files.filter(({ name }) => /\.(conf|conflist|json)$/.test(name))
    .toSorted((a, b) => compareBytes(a.name, b.name));
  const others = sorted.filter(({ name }) => !isOurs(name));
  const at = others.findIndex(({ text }) => flannelPluginsOf(parseJson(text)).length > 0);
  const source = others[at];
  if (source === undefined) return withoutFlannel(sorted, others);
  const first = others[0]!;
  if (at > 0) {
    return refused(
      `"${first.name}" sorts before flannel's "${source.name}": ` +
        `the runtime uses that network, and ours would take its place`,
    );
  }
  const read = readFlannel(source);
  if ("state" in read) return read;
  const file = OUR_NAMES.find((name) => compareBytes(name, source.name) < 0);
  if (file === undefined) return refused(`no name of ours sorts before "${source.name}"`);
  return {
    state: "wanted",
    file,
    text: JSON.stringify(withOurType(read.conf), null, 2) + "\n",
    remove: sorted.map(({ name }) => name).filter((name) => isOurs(name) && name !== file),
    network: read.network,
  };
}

function withoutFlannel(
  sorted: readonly ConfFile[],
  others: readonly ConfFile[],
): ConflistPlan {
  const ours = sorted.find(({ name }) => isOurs(name));
  const network = ours && networkOf(objectOf(parseJson(ours.text)));
  const torn = tornFlannel(others);
  const isTaken = ours !== undefined && sorted[0] === ours && isInstalled(ours);
  if (torn !== undefined && isTaken && network !== undefined) {
    return { state: "absent", file: ours.name, network, torn };
  }
  const broken = others.find(({ text }) => !isObject(parseJson(text)));
  if (broken !== undefined) return refused(`"${broken.name}" is no JSON object`);
  if (others.length > 0) {
    return refused(`no network of "${others.map(({ name }) => name).join('", "')}" is flannel's`);
  }
  if (ours === undefined) return { state: "absent" };
  return { state: "absent", file: ours.name, ...(network && { network }) };
}

/** Whether ours is one that this plugin was named in: what it says is what flannel's said. */
function isInstalled({ text }: ConfFile): boolean {
  const plugins = flannelPluginsOf(parseJson(text));
  return plugins.length === 1 && objectOf(plugins[0]!.ipam).type === PLUGIN;
}

/**
 * The file that must be what a power cut left of flannel's, which kube-flannel writes without syncing it: the first
 * one, as flannel's was when ours was made of it, and the only one that is empty or cut off.
 */
function tornFlannel([first, ...rest]: readonly ConfFile[]): string | undefined {
  if (first === undefined || parseJson(first.text) !== undefined) return undefined;
  return rest.every(({ text }) => isObject(parseJson(text))) ? first.name : undefined;
}

/** flannel's config, if it is one that we understand. */
function readFlannel(
  { name, text }: ConfFile,
): { conf: JsonObject; network: FlannelNetwork } | ConflistPlan {
  const conf = objectOf(parseJson(text));
  const plugins = flannelPluginsOf(conf);
  if (plugins.length !== 1) return refused(`"${name}" has ${plugins.length} flannel plugins`);
  const [{ ipam, delegate }] = plugins as [JsonObject];
  if (ipam !== undefined && !isObject(ipam)) return refused(`"${name}": ipam is no object`);
  const type = objectOf(ipam).type;
  if (type !== undefined && type !== "host-local") {
    return refused(`"${name}": ipam.type is ${JSON.stringify(type)}, not "host-local"`);
  }
  if (objectOf(delegate).ipam !== undefined) {
    return refused(`"${name}": flannel does not allow delegate.ipam`);
  }
  const network = networkOf(conf);
  if (network === undefined) {
    return refused(`"${name}": the network's name or its dataDir is wrong`);
  }
  return { conf, network };
}

function flannelPluginsOf(conf: unknown): JsonObject[] {
  return arrayOf(objectOf(conf).plugins).filter(isObject).filter(({ type }) => type === "flannel");
}

function networkOf(conf: JsonObject): FlannelNetwork | undefined {
  const name = textOf(conf.name) ?? "";
  const plugin = objectOf(flannelPluginsOf(conf)[0]);
  const dataDir = textOf(objectOf(plugin.ipam).dataDir);
  const scratchDir = textOf(plugin.dataDir);
  if (!isNetworkName(name)) return undefined;
  if ([dataDir, scratchDir].some((dir) => dir && !dir.startsWith("/"))) return undefined;
  return { name, ...(dataDir && { dataDir }), ...(scratchDir && { scratchDir }) };
}

function withOurType(conf: JsonObject): JsonObject {
  const plugins = arrayOf(conf.plugins).map((plugin) =>
    isObject(plugin) && plugin.type === "flannel"
      ? { ...plugin, ipam: { ...objectOf(plugin.ipam), type: PLUGIN } }
      : plugin
  );
  return { ...conf, plugins };
}

function refused(reason: string): ConflistPlan {
  return { state: "refused", reason };
}

/** As Go's `sort.Strings`, for the ASCII names that such files have. */
function compareBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
