/**
 * Reads what `deno test --junit-path` writes.
 *
 * @module
 */

/** One test that was run, or deliberately left out. */
export interface TestCase {
  readonly file: string;
  readonly name: string;
  readonly state: "passed" | "failed" | "skipped";
  readonly seconds: number;
}

/**
 * The tests of a report. Left out are the steps of a test, which are parts of it, and tests that a
 * filter held back: they are reported as skipped too, but without a time.
 *
 * @throws {SyntaxError} when the text is not a whole report.
 */
export function parseJunit(xml: string): TestCase[] {
  if (!/<\/testsuites>\s*$/.test(xml)) {
    throw new SyntaxError(
      `A JUnit report must end with </testsuites>: ${xml.length} characters don't`,
    );
  }
  const cases: TestCase[] = [];
  for (const [, head, body] of xml.matchAll(/<testcase\s([^>]*[^/])>([\s\S]*?)<\/testcase>/g)) {
    const { name = "", classname: file = "", time } = attributesOf(head!);
    if (cases.some((test) => test.file === file && name.startsWith(`${test.name} > `))) continue;
    const skipped = /<skipped\b/.test(body!);
    if (skipped && time === undefined) continue;
    const failed = /<(failure|error)\b/.test(body!);
    cases.push({
      file,
      name,
      state: failed ? "failed" : skipped ? "skipped" : "passed",
      seconds: Number(time ?? 0),
    });
  }
  return cases;
}

const ENTITIES: Readonly<Record<string, string>> = {
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  amp: "&",
};

function attributesOf(head: string): Record<string, string> {
  const pairs = [...head.matchAll(/([\w:-]+)="([^"]*)"/g)].map(([, key, value]) => [
    key!,
    value!.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) => {
      if (hex !== undefined) return String.fromCodePoint(parseInt(hex, 16));
      if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
      return ENTITIES[name] ?? whole;
    }),
  ]);
  return Object.fromEntries(pairs);
}
