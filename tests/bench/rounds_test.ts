import assert from "node:assert/strict";
import { formatOutcomes, runRounds } from "./rounds.ts";

Deno.test("runRounds() takes turns, medians and ratios", async () => {
  const order: string[] = [];
  const variant = (name: string, values: number[], baseline?: string) => ({
    name,
    baseline,
    measure: () => {
      order.push(name);
      return Promise.resolve({ ms: values.shift()! });
    },
  });
  const outcomes = await runRounds([variant("a", [9, 2, 1]), variant("b", [4, 6, 50], "a")], 3);
  assert.deepEqual(order, ["a", "b", "b", "a", "a", "b"]);
  assert.deepEqual(outcomes, [
    { name: "a", figures: { ms: 2 } },
    { name: "b", figures: { ms: 6 }, ratios: { ms: 3 } },
  ]);
});

Deno.test("formatOutcomes() makes a Markdown table", () => {
  const table = formatOutcomes([
    { name: "bare", figures: { ms: 40, MB: 9.25 } },
    { name: "agent", figures: { ms: 80, MB: 18.5 }, ratios: { ms: 2, MB: 2 } },
  ]);
  assert.equal(
    table,
    "|  | ms | MB |\n| --- | ---: | ---: |\n" +
      "| bare | 40 | 9.3 |\n| agent | 80 (×2.00) | 19 (×2.00) |\n",
  );
});
