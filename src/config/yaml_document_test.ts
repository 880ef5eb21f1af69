import assert from "node:assert/strict";
import { parseYaml } from "./yaml_document.ts";

const TEXT = `# comment
stateDir: /var/lib/edge-agent
proxy:
  listen: 127.0.0.1:1
  identities:
    - name: kubelet
      certFile: /a
    - {name: cni}
`;

Deno.test.each([
  { path: ["stateDir"], line: 2, column: 1 },
  { path: ["proxy", "listen"], line: 4, column: 3 },
  { path: ["proxy", "identities", 0], line: 6, column: 7 },
  { path: ["proxy", "identities", 0, "certFile"], line: 7, column: 7 },
  { path: ["proxy", "identities", 1, "name"], line: 8, column: 8 },
  { path: ["proxy", "upstream", "server"], line: 3, column: 1 },
  { path: ["nothing"], line: 2, column: 1 },
])("YamlDocument.locate() finds $path in line $line", ({ path, line, column }) => {
  assert.deepEqual(parseYaml(TEXT).locate(path), { line, column });
});

Deno.test("YamlDocument.locate() follows an alias", () => {
  const document = parseYaml("a: &x\n  b: 1\nc: *x\n");
  assert.deepEqual(document.data, { a: { b: 1 }, c: { b: 1 } });
  assert.deepEqual(document.locate(["c", "b"]), { line: 2, column: 3 });
});

Deno.test.each([
  { name: "a duplicate key", text: "a: 1\na: 2\n", why: /unique/i, line: 2 },
  { name: "a tab", text: "a:\n\tb: 1\n", why: /tab/i, line: 2 },
  { name: "an open quote", text: 'a: "x\nb: 1\n', why: /quote/i, line: 3 },
  { name: "bad nesting", text: "a: 1\n  b: 2\n", why: /./, line: 1 },
  { name: "two documents", text: "a: 1\n---\nb: 2\n", why: /multiple documents/i, line: 2 },
  { name: "an unknown tag", text: "a: !secret x\n", why: /tag/i, line: 1 },
  { name: "an unknown alias", text: "a: *x\n", why: /alias/i, line: undefined },
])("parseYaml() tells $name and its line", ({ text, why, line }) => {
  const { data, problems } = parseYaml(text);
  assert.equal(data, undefined);
  assert.match(problems[0]?.message ?? "", why);
  assert.equal(problems[0]?.position?.line, line);
});

Deno.test("parseYaml() refuses aliases that multiply without bound", () => {
  const bomb = ["a: &a [x,x,x,x,x,x,x,x,x]"];
  for (let i = 1; i < 9; i++) {
    const [name, former] = [String.fromCharCode(97 + i), String.fromCharCode(96 + i)];
    bomb.push(`${name}: &${name} [${`*${former},`.repeat(9)}]`);
  }
  const { data, problems } = parseYaml(bomb.join("\n"));
  assert.equal(data, undefined);
  assert.match(problems[0]?.message ?? "", /alias/i);
});

Deno.test("parseYaml() takes an empty text for no data", () => {
  for (const text of ["", "# only a comment\n", "---\n"]) {
    assert.deepEqual([parseYaml(text).data, parseYaml(text).problems], [undefined, []]);
  }
});
