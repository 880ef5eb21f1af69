import assert from "node:assert/strict";
import { codeOf, importsOf, readProduction, type Source } from "./sources.ts";

/** Time, disk, commands, network and chance are asked for: these are the names that would take them. */
const TAKES: Readonly<Record<string, RegExp>> = {
  "Deno.*": /\bDeno\s*\??\./g,
  "Date.now": /\bDate\.now\b/g,
  "new Date()": /\bnew Date\(\s*\)/g,
  "performance.now": /\bperformance\.now\b/g,
  "setTimeout": /\b(?:setTimeout|setInterval)\b/g,
  "AbortSignal.timeout": /\bAbortSignal\.timeout\b/g,
  "Math.random": /\bMath\.random\b/g,
  "fetch": /(?<![.\w#])fetch\(/g,
  "WebSocket": /\bnew WebSocket\b/g,
  "console": /\bconsole\.\w/g,
};

/** Node's modules that compute and touch nothing. */
const PURE = ["assert", "buffer", "crypto", "events", "path", "querystring", "url", "util", "zlib"];

/** Where else it is right, and why. */
const ALLOWED: readonly { path: string; what: string; why: string }[] = [
  { path: "src/kernel/backoff.ts", what: "Math.random", why: "default of an injected source" },
  { path: "main.ts", what: "Deno.*", why: "hands the arguments over and sets the exit code" },
];

const touchesOs = (path: string): boolean =>
  path.startsWith("src/platform/") || path === "src/kernel/clock.ts";

function isAllowed(path: string, what: string): boolean {
  return ALLOWED.some((entry) => entry.path === path && entry.what === what);
}

function lineOf(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

function takesOf(source: Source): string[] {
  const code = codeOf(source);
  return Object.entries(TAKES).flatMap(([what, pattern]) =>
    isAllowed(source.path, what)
      ? []
      : [...code.matchAll(pattern)].map(({ index }) =>
        `${source.path}:${lineOf(code, index)} ${what}`
      )
  );
}

Deno.test("only src/platform and kernel/clock.ts take time, disk, network or chance", async () => {
  const sources = (await readProduction()).filter(({ path }) => !touchesOs(path));
  assert.ok(sources.length > 0);
  assert.deepEqual(sources.flatMap(takesOf), []);
});

Deno.test("only src/platform imports Node modules that touch the machine", async () => {
  const wrong = (await readProduction()).filter(({ path }) => !touchesOs(path)).flatMap((source) =>
    importsOf(source)
      .filter(({ specifier, typeOnly }) => specifier.startsWith("node:") && !typeOnly)
      .filter(({ specifier }) => !PURE.includes(specifier.slice(5).split("/")[0]!))
      .map(({ specifier }) => `${source.path} ${specifier}`)
  );
  assert.deepEqual(wrong, []);
});

Deno.test("every exception is still needed", async () => {
  const sources = await readProduction();
  for (const { path, what } of ALLOWED) {
    const source = sources.find((candidate) => candidate.path === path);
    assert.ok(source, `${path} is gone: take it off the list`);
    assert.match(codeOf(source), TAKES[what]!, `${path} no longer needs ${what}`);
  }
});
