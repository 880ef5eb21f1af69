import assert from "node:assert/strict";
import fc from "fast-check";
import { FUZZ_RUNS, label } from "../../tests/testing/arbitraries.ts";
import {
  matchesSelector,
  parseFieldSelector,
  parseLabelSelector,
  selectedName,
} from "./selector.ts";

const matchesLabels = (selector: string, labels: Record<string, string>) =>
  matchesSelector(parseLabelSelector(selector), (key) => labels[key]);

Deno.test.each([
  { selector: "", labels: {}, want: true },
  { selector: "app=web", labels: { app: "web" }, want: true },
  { selector: "app==web", labels: { app: "web" }, want: true },
  { selector: "app = web", labels: { app: "web" }, want: true },
  { selector: "app=web", labels: { app: "db" }, want: false },
  { selector: "app=web", labels: {}, want: false },
  { selector: "app=", labels: { app: "" }, want: true },
  { selector: "app=", labels: {}, want: false },
  { selector: "app!=web", labels: { app: "db" }, want: true },
  { selector: "app!=web", labels: { app: "web" }, want: false },
  { selector: "app!=web", labels: {}, want: true },
  { selector: "app in (web,db)", labels: { app: "db" }, want: true },
  { selector: "app in ( web , db )", labels: { app: "db" }, want: true },
  { selector: "app in (web)", labels: {}, want: false },
  { selector: "app in ()", labels: { app: "" }, want: true },
  { selector: "app notin (web,db)", labels: { app: "x" }, want: true },
  { selector: "app notin (web,db)", labels: { app: "db" }, want: false },
  { selector: "app notin (web,db)", labels: {}, want: true },
  { selector: "size>3", labels: { size: "4" }, want: true },
  { selector: "size > 3", labels: { size: "3" }, want: false },
  { selector: "size<3", labels: { size: "2" }, want: true },
  { selector: "size<3", labels: { size: "small" }, want: false },
  { selector: "size<3", labels: {}, want: false },
  { selector: "app in (,web)", labels: { app: "" }, want: true },
  { selector: "app in (web,)", labels: { app: "" }, want: true },
  { selector: "in in (in)", labels: { in: "in" }, want: true },
  { selector: "app=in , tier", labels: { app: "in", tier: "" }, want: true },
  { selector: "app", labels: { app: "" }, want: true },
  { selector: "app", labels: {}, want: false },
  { selector: "!app", labels: {}, want: true },
  { selector: "!app", labels: { app: "" }, want: false },
  { selector: "app=web,tier in (a,b),!canary", labels: { app: "web", tier: "b" }, want: true },
  { selector: "app=web,tier in (a,b),!canary", labels: { app: "web", tier: "c" }, want: false },
  {
    selector: "app=web,tier in (a,b),!canary",
    labels: { app: "web", tier: "a", canary: "1" },
    want: false,
  },
  {
    selector: "app.kubernetes.io/name=web",
    labels: { "app.kubernetes.io/name": "web" },
    want: true,
  },
])("matchesSelector() of the labels $labels by '$selector' is $want", (row) => {
  assert.equal(matchesLabels(row.selector, row.labels as Record<string, string>), row.want);
});

Deno.test.each([
  "a b",
  "=a",
  "a=b=c",
  "a in b",
  "a in (b",
  "a in b)",
  "!",
  "a=(b)",
  "a>b",
  "a>",
  "a in (b)x",
  "a in (b c)",
  "!a=b",
  "a=b,",
  ",a",
  "a=-b",
  "a/b/c",
  "-a",
])(
  "parseLabelSelector() throws a SyntaxError that quotes '%s'",
  (selector) => {
    assert.throws(() => parseLabelSelector(selector), (error) => {
      return error instanceof SyntaxError && error.message.includes(selector);
    });
  },
);

Deno.test("parseLabelSelector() gives a selector or a SyntaxError whatever the text", () => {
  const unit = fc.constantFrom(..."ab/.-_=!,() in notin".split(""), "\\", "é", "\n");
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 40 }), (text) => {
      try {
        parseLabelSelector(text);
      } catch (error) {
        assert.ok(error instanceof SyntaxError);
      }
    }),
    { numRuns: FUZZ_RUNS },
  );
});

Deno.test("matchesSelector() says the opposite of `in` for `notin`, and of a key for its negation", () => {
  fc.assert(
    fc.property(
      label,
      fc.array(label, { minLength: 1 }),
      fc.option(label),
      (key, values, value) => {
        const labels = value === null ? {} : { [key]: value };
        const list = values.join(",");
        assert.notEqual(
          matchesLabels(`${key} in (${list})`, labels),
          matchesLabels(`${key} notin (${list})`, labels),
        );
        assert.notEqual(matchesLabels(key, labels), matchesLabels(`!${key}`, labels));
        assert.equal(matchesLabels(`${key}=${values[0]}`, labels), value === values[0]);
      },
    ),
  );
});

Deno.test.each([
  { selector: "", fields: {}, want: true },
  { selector: "spec.nodeName=a", fields: { "spec.nodeName": "a" }, want: true },
  { selector: "spec.nodeName==a", fields: { "spec.nodeName": "b" }, want: false },
  { selector: "spec.clusterIP!=None", fields: { "spec.clusterIP": "10.0.0.1" }, want: true },
  { selector: "spec.clusterIP!=None", fields: { "spec.clusterIP": "None" }, want: false },
  {
    selector: "status.phase!=Failed,spec.nodeName=a",
    fields: { "status.phase": "Running", "spec.nodeName": "a" },
    want: true,
  },
  { selector: "a=x\\,y", fields: { a: "x,y" }, want: true },
  { selector: "a=x\\=\\\\", fields: { a: "x=\\" }, want: true },
])("matchesSelector() of the fields $fields by '$selector' is $want", (row) => {
  const fields = row.fields as Record<string, string>;
  const selector = parseFieldSelector(row.selector);
  assert.equal(matchesSelector(selector, (key) => fields[key]), row.want);
});

Deno.test.each(["a", "=a", "a in (b)", "!a", "a=b=c", "a=b\\c"])(
  "parseFieldSelector() throws a SyntaxError when the text is '%s'",
  (selector) => assert.throws(() => parseFieldSelector(selector), SyntaxError),
);

Deno.test.each([
  { selector: "metadata.name=a", want: "a" },
  { selector: "metadata.name==a.b", want: "a.b" },
  { selector: "metadata.name!=a", want: undefined },
  { selector: "metadata.name=a,spec.nodeName=b", want: undefined },
  { selector: "metadata.name=", want: undefined },
  { selector: "metadata.namespace=a", want: undefined },
  { selector: "", want: undefined },
])("selectedName() of '$selector' is $want", ({ selector, want }) => {
  assert.equal(selectedName(selector), want);
});

Deno.test("parseLabelSelector() reads any text in linear time", () => {
  const length = 300_000;
  const throws = (text: string) => assert.throws(() => parseLabelSelector(text), SyntaxError);
  throws(`a${" ".repeat(10 * length)}b`);
  throws(",".repeat(length));
  throws("a in (".repeat(length));
  assert.equal(parseLabelSelector(`a in (b${",b".repeat(length)})`).length, 1);
});
