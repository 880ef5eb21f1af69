import assert from "node:assert/strict";
import { codeOf, importsOf } from "./sources.ts";

const source = (text: string) => ({ path: "x.ts", text });

Deno.test.each([
  { name: "a named import", text: `import { a, type B } from "./a.ts";`, want: ["./a.ts"] },
  {
    name: "an import over lines",
    text: `import {\n  a,\n  b,\n} from "./a.ts";`,
    want: ["./a.ts"],
  },
  { name: "a bare import", text: `import "./a.ts";`, want: ["./a.ts"] },
  { name: "a re-export", text: `export * from "./a.ts";`, want: ["./a.ts"] },
  { name: "a lazy import", text: `const m = await import("./a.ts");`, want: ["./a.ts"] },
  { name: "a default and a named one", text: `import a, { b } from "./a.ts";`, want: ["./a.ts"] },
  { name: "no import in a comment", text: `// import "./a.ts";\n/* import "./b.ts" */`, want: [] },
  { name: "no export of a value", text: `export const a = "./a.ts";`, want: [] },
])("importsOf() finds $name", ({ text, want }) => {
  assert.deepEqual(importsOf(source(text)).map(({ specifier }) => specifier), want);
});

Deno.test("importsOf() tells type imports from others", () => {
  const text = `import type { A } from "./a.ts";\nimport { type B, c } from "./b.ts";`;
  assert.deepEqual(importsOf(source(text)).map(({ typeOnly }) => typeOnly), [true, false]);
});

Deno.test.each([
  { name: "a line comment", text: "a // Deno.x\nb" },
  { name: "a block comment", text: "a /* Deno.x\n Deno.y */ b" },
  { name: "a string with an escape", text: String.raw`a("\"Deno.x", '\'Deno.y')` },
  { name: "a template", text: "a(`Deno.x ${b} Deno.y`)" },
  { name: "a template in a template", text: "a(`Deno.x ${b(`Deno.y ${{ c: 1 }} Deno`)} Deno.z`)" },
  { name: "a regular expression", text: String.raw`a(/["'\`/\/]Deno.x/, "Deno.y")` },
])("codeOf() leaves $name out", ({ text }) => {
  const code = codeOf(source(text));
  assert.doesNotMatch(code, /Deno/);
  assert.equal(code.length, text.length);
});

Deno.test.each([
  { name: "after a comment", text: "// it's\nDeno.x" },
  { name: "after a division", text: "a / b; Deno.x; c / d" },
  { name: "inside a template's expression", text: "`a ${Deno.x} b`" },
  { name: "after a template with an object in it", text: "`${f({ a: {} })}`; Deno.x" },
  { name: "after a quote in a regular expression", text: String.raw`a(/"/); Deno.x; b("")` },
])("codeOf() keeps code $name", ({ text }) => {
  assert.match(codeOf(source(text)), /Deno\.x/);
});

Deno.test("codeOf() does not turn an argument into none", () => {
  assert.equal(codeOf(source(`f("x")`)), `f(" ")`);
});
