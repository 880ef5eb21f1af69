import {
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
} from "yaml";
import type { ConfigPath } from "./schema.ts";

/** A place in a text; both count from 1. */
export interface Position {
  line: number;
  column: number;
}

/** A YAML text as data that knows where it was written. */
export interface YamlDocument {
  /** Undefined when there are problems, and for an empty text. */
  data: unknown;
  problems: { message: string; position: Position | undefined }[];
  /** Where the key at `path` is (a list's item: the item), or else the closest section around it. */
  locate(path: ConfigPath): Position | undefined;
}

/** Parses YAML 1.2; never throws. Tags, duplicate keys and several documents are problems. */
export function parseYaml(text: string): YamlDocument {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: true,
    logLevel: "error",
  });
  const positionAt = (offset: number | undefined): Position | undefined => {
    if (offset === undefined) return undefined;
    const { line, col } = lines.linePos(offset);
    return line === 0 ? undefined : { line, column: col };
  };
  const problems = [...document.errors, ...document.warnings].map(({ message, pos }) => ({
    message: message.replace(/\s+/g, " "),
    position: positionAt(pos[0]),
  }));
  let data: unknown;
  if (problems.length === 0) {
    try {
      data = document.toJS({ maxAliasCount: 100 }) ?? undefined;
    } catch (error) {
      problems.push({ message: (error as Error).message, position: undefined });
    }
  }

  const locate = (path: ConfigPath): Position | undefined => {
    let node: unknown = document.contents;
    let offset = offsetOf(node);
    for (const step of path) {
      if (isAlias(node)) node = node.resolve(document);
      const next = child(node, step);
      if (next === undefined) break;
      offset = offsetOf(next.at) ?? offset;
      node = next.value;
    }
    return positionAt(offset);
  };
  return { data, problems, locate };
}

function child(
  node: unknown,
  step: string | number,
): { at: unknown; value: unknown } | undefined {
  if (isSeq(node) && typeof step === "number") {
    const item = node.items[step];
    return item === undefined ? undefined : { at: item, value: item };
  }
  if (!isMap(node)) return undefined;
  const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === step);
  return pair && { at: pair.key, value: pair.value };
}

function offsetOf(node: unknown): number | undefined {
  return isNode(node) ? (node as Node).range?.[0] : undefined;
}
