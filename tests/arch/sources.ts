/**
 * The project's own files, as the tests of its structure see them.
 *
 * @module
 */

import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";

/** The checkout. */
export const ROOT = join(import.meta.dirname!, "..", "..");

/** What is made by tools, fetched, or git's own. */
const NOT_OURS = /^(\.git|node_modules|coverage|dist\/build|dist\/edge-agent(\.new)?)$/;

/** One file of the project. */
export interface Source {
  /** Relative to the checkout, with slashes. */
  readonly path: string;
  readonly text: string;
}

/** All files under `folder` (the whole checkout by default) whose path matches. */
export async function readSources(pattern: RegExp, folder = ""): Promise<Source[]> {
  const sources: Source[] = [];
  for (const path of await listFiles(folder)) {
    if (pattern.test(path)) sources.push({ path, text: await readFile(join(ROOT, path), "utf8") });
  }
  return sources;
}

async function listFiles(folder: string): Promise<string[]> {
  const paths: string[] = [];
  for (const entry of await readdir(join(ROOT, folder), { withFileTypes: true })) {
    const path = relative(ROOT, join(ROOT, folder, entry.name));
    if (NOT_OURS.test(path)) continue;
    if (entry.isDirectory()) paths.push(...await listFiles(path));
    else if (entry.isFile()) paths.push(path);
  }
  return paths.sort();
}

/** The TypeScript of the program itself: no tests. */
export async function readProduction(): Promise<Source[]> {
  const sources = await readSources(/^(main\.ts|src\/.*\.ts)$/);
  return sources.filter(({ path }) => !path.endsWith("_test.ts"));
}

/** A reference from one file to another module. */
export interface Import {
  readonly specifier: string;
  /** Erased before the program runs. */
  readonly typeOnly: boolean;
}

/** Every `import` and `export … from`, the lazy ones included. */
export function importsOf(source: Source): Import[] {
  const code = blank(source.text, { strings: false });
  const pattern =
    /\b(?:import|export)\s+(?<type>type\s)?(?:[\w*{}\s,$]*?\sfrom\s*)?["'](?<from>[^"']+)["']|\bimport\s*\(\s*["'`](?<lazy>[^"'`]+)["'`]/g;
  return [...code.matchAll(pattern)].map(({ groups }) => ({
    specifier: (groups!.from ?? groups!.lazy)!,
    typeOnly: groups!.type !== undefined,
  }));
}

/** The code without its comments and without what is written in strings; lines stay where they are. */
export function codeOf(source: Source): string {
  return blank(source.text, { strings: true });
}

// In this order: at each place the first that fits wins. A slash begins a regular expression only where
// a value can begin.
const TOKEN = new RegExp(
  [
    /(?<comment>\/\/[^\n]*|\/\*[\s\S]*?\*\/)/,
    /(?<string>"(?:\\[\s\S]|[^"\\\n])*"|'(?:\\[\s\S]|[^'\\\n])*')/,
    /(?<regexp>(?<=(?:^|[(,=:[!&|?{};+*%<>~^-]|\breturn|=>)\s*)\/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[dgimsuvy]*)/,
    /(?<mark>[`{}])/,
  ].map((part) => part.source).join("|"),
  "g",
);

function blank(text: string, { strings }: { strings: boolean }): string {
  const kept: string[] = [];
  // One entry per open brace: whether it belongs to a `${` of a template.
  const braces: boolean[] = [];
  let at = 0;
  const keep = (end: number) => {
    kept.push(text.slice(at, end));
    at = end;
  };
  const hide = (end: number) => {
    kept.push(text.slice(at, end).replace(/[^\n]/g, " "));
    at = end;
  };
  const template = () => {
    const end = /(?:\\[\s\S]|(?!\$\{)[^`\\])*(?:`|\$\{)/y;
    end.lastIndex = at;
    const found = end.exec(text)?.[0] ?? text.slice(at);
    if (strings) hide(at + found.length);
    else keep(at + found.length);
    if (found.endsWith("${")) braces.push(true);
  };
  for (;;) {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    if (match === null) break;
    keep(match.index);
    const end = match.index + match[0].length;
    const { comment, mark } = match.groups!;
    if (comment !== undefined) hide(end);
    else if (mark === undefined && strings) {
      // The quotes stay: f("x") must not become f().
      keep(match.index + 1);
      hide(end - 1);
      keep(end);
    } else if (mark === undefined) keep(end);
    else {
      keep(end);
      if (mark === "{") braces.push(false);
      else if (mark === "`" || braces.pop() === true) template();
    }
  }
  keep(text.length);
  return kept.join("");
}
