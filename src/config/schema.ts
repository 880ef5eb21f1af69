import type * as z from "zod/mini";

/** Keys and list positions from the root of a config to one of its values. */
export type ConfigPath = readonly (string | number)[];

/** A value that can be set by itself: no section. */
export interface Leaf {
  path: string[];
  /** The schema takes any text, so a text is given to it as it is; else it is YAML. */
  isText: boolean;
}

/** The parts of zod's definitions that are read here. */
interface Definition {
  type: string;
  innerType?: z.ZodMiniType;
  in?: z.ZodMiniType;
  shape?: Record<string, z.ZodMiniType>;
  element?: z.ZodMiniType;
}

function definitionOf(schema: z.ZodMiniType): Definition {
  return schema._zod.def as unknown as Definition;
}

/** The schema under `optional`, `prefault` and the input side of codecs. */
function bare(schema: z.ZodMiniType): Definition {
  const definition = definitionOf(schema);
  const inner = definition.innerType ?? definition.in;
  return inner === undefined ? definition : bare(inner);
}

/** Every leaf of a config, in the schema's order. Lists are leaves. */
export function leavesOf(schema: z.ZodMiniType, path: string[] = []): Leaf[] {
  const { type, shape } = bare(schema);
  if (shape === undefined) return [{ path, isText: type === "string" || type === "enum" }];
  return Object.entries(shape).flatMap(([key, child]) => leavesOf(child, [...path, key]));
}

/** The keys that the section at `path` knows; none when no section is there. */
export function keysAt(schema: z.ZodMiniType, path: ConfigPath): string[] {
  let { shape, element } = bare(schema);
  for (const step of path) {
    const child = typeof step === "number" ? element : shape?.[step];
    if (child === undefined) return [];
    ({ shape, element } = bare(child));
  }
  return Object.keys(shape ?? {});
}

/** `proxy.identities[0].name`. */
export function formatPath(path: ConfigPath): string {
  return path.map((step, i) => typeof step === "number" ? `[${step}]` : i === 0 ? step : `.${step}`)
    .join("");
}

/** The environment variable of a leaf: `EDGE_AGENT_PROXY_EVENT_WINDOW_MAX_BYTES`. */
export function envNameOf(path: readonly string[]): string {
  const words = path.map((key) => key.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toUpperCase());
  return ["EDGE_AGENT", ...words].join("_");
}
