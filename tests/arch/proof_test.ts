import assert from "node:assert/strict";
import { readSources, ROOT } from "./sources.ts";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * A document proves a sentence or the cell of a table by a mark such as `[G2]`, and the mark by a line
 * ``- **G2** `tests/x_test.ts`: S14 what the test is called``.
 */
interface Proof {
  readonly mark: string;
  readonly file: string;
  readonly name: string;
}

const MARK = /(?<!\])\[([A-Z]\d+)\](?![(:])/g;
const PROOF = /^- \*\*([A-Z]\d+)\*\* `([^`]+)`:\s+((?:.|\n(?!- |\n|#))+)/gm;

function proofsOf(text: string): Proof[] {
  return [...text.matchAll(PROOF)].map(([, mark, file, name]) => ({
    mark: mark!,
    file: file!,
    name: name!.replaceAll(/\s+/g, " ").trim(),
  }));
}

const documents = async () =>
  (await readSources(/\.md$/)).map(({ path, text }) => ({
    path,
    marks: [...new Set([...text.matchAll(MARK)].map(([, mark]) => mark!))],
    proofs: proofsOf(text),
  }));

Deno.test("proofsOf() finds a mark, its file and the test's name over lines", () => {
  assert.deepEqual(
    proofsOf("x [A1]\n\n- **A1** `tests/a_test.ts`: S01 a\n  b\n- **B2** `c`: d\n"),
    [
      { mark: "A1", file: "tests/a_test.ts", name: "S01 a b" },
      { mark: "B2", file: "c", name: "d" },
    ],
  );
});

Deno.test("every mark of a proof in the documentation has its test, and every proof its mark", async () => {
  const wrong = (await documents()).flatMap(({ path, marks, proofs }) => {
    const proven = new Set(proofs.map(({ mark }) => mark));
    return [
      ...marks.filter((mark) => !proven.has(mark)).map((mark) => `${path}: [${mark}] has no proof`),
      ...[...proven].filter((mark) => !marks.includes(mark)).map((mark) =>
        `${path}: ${mark} proves nothing`
      ),
    ];
  });
  assert.deepEqual(wrong, []);
});

Deno.test("every test that the documentation names exists", async () => {
  const missing: string[] = [];
  for (const { path, proofs } of await documents()) {
    for (const { mark, file, name } of proofs) {
      const source = await readFile(join(ROOT, file), "utf8").catch(() => "");
      // A name may be broken over lines of the source, or be a template: it is written as it stands there.
      if (!source.replaceAll(/\s+/g, " ").includes(name)) {
        missing.push(`${path}: ${mark}: ${file}: ${name}`);
      }
    }
  }
  assert.deepEqual(missing, []);
});
