import assert from "node:assert/strict";
import { readSources } from "./sources.ts";

/** Written in pieces, so that this file does not match itself. */
const FOREIGN: Readonly<Record<string, RegExp>> = {
  "host name of a package registry": new RegExp(
    [
      "registry\\.np" + "mjs",
      "np" + "mjs\\.(com|org)",
      "js" + "r\\.io",
      "proxy\\.gol" + "ang",
      "dl\\.de" + "no\\.land",
      "py" + "pi\\.org",
      "deb\\.deb" + "ian",
    ].join("|"),
  ),
  "path of one machine": new RegExp(
    ["/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/[a-z]", "/Us" + "ers/", "/mn" + "t/"].join("|"),
  ),
  "conflict marker": new RegExp(["^<{7} ", "^={7}$", "^>{7} "].join("|"), "m"),
};

/** Text files; the checksums of packages speak of other projects by nature. */
const TEXT =
  /\.(ts|js|json|md|yaml|yml|sh|service|go|mod|txt|html|css|toml)$|^(install\.sh|\.ci\/run|\.gitignore)$/;

for (const [what, pattern] of Object.entries(FOREIGN)) {
  Deno.test(`no file holds a ${what}`, async () => {
    const sources = await readSources(TEXT);
    assert.ok(sources.length > 0);
    const found = sources.flatMap(({ path, text }) => {
      const match = pattern.exec(text);
      if (match === null) return [];
      return [`${path}:${text.slice(0, match.index).split("\n").length}: ${match[0]}`];
    });
    assert.deepEqual(found, []);
  });
}
