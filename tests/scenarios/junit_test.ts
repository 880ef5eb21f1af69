import assert from "node:assert/strict";
import { parseJunit } from "./junit.ts";

const report = (cases: string) =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="deno test">\n` +
  `<testsuite name="./a_test.ts">${cases}</testsuite>\n</testsuites>\n`;

const testCase = (name: string, rest: string, time = ` time="1.500"`) =>
  `<testcase name="${name}" classname="./a_test.ts"${time} line="1" col="6">${rest}</testcase>`;

Deno.test.each([
  { name: "a pass", xml: testCase("a", "\n"), want: ["a passed"] },
  {
    name: "a failure",
    xml: testCase("a", `<failure message="m">b &lt;</failure>`),
    want: ["a failed"],
  },
  { name: "an ignored test", xml: testCase("a", "<skipped/>"), want: ["a skipped"] },
  { name: "a filtered test", xml: testCase("a", "<skipped/>", ""), want: [] },
  {
    name: "a test with steps",
    xml: testCase("a", "") + testCase("a &gt; b", "") + testCase("a &gt; c", "<skipped/>"),
    want: ["a passed"],
  },
  {
    name: "a name with marks",
    xml: testCase("a &lt;b&gt; &quot;c&quot; &amp;amp; &#39;", ""),
    want: [`a <b> "c" &amp; ' passed`],
  },
])("parseJunit() reads $name", ({ xml, want }) => {
  assert.deepEqual(parseJunit(report(xml)).map(({ name, state }) => `${name} ${state}`), want);
});

Deno.test("parseJunit() reads file and time", () => {
  const [only] = parseJunit(report(testCase("a", "")));
  assert.deepEqual(only, { file: "./a_test.ts", name: "a", state: "passed", seconds: 1.5 });
});

Deno.test("parseJunit() refuses a report that was cut off", () => {
  assert.throws(() => parseJunit(report(testCase("a", "")).slice(0, -20)), SyntaxError);
});
