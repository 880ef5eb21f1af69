/**
 * The habit of every bench: a fresh process per measurement, variants taking turns so that a slow minute
 * of the machine hits all of them, the median of the rounds, and the ratio to a baseline of the same run.
 *
 * @module
 */

import { median } from "./process_figures.ts";

/** Numbers of one measurement by name; every measurement of a bench has the same names. */
export type Figures = Readonly<Record<string, number>>;

/** Something to measure. */
export interface Variant {
  readonly name: string;
  /** The variant it is compared with; none for a baseline. */
  readonly baseline?: string;
  /** Starts, measures and ends one fresh process. */
  measure(): Promise<Figures>;
}

/** The medians of a variant. */
export interface Outcome {
  readonly name: string;
  readonly figures: Figures;
  /** Each figure divided by the baseline's. */
  readonly ratios?: Figures;
}

/** Measures all variants in turn, `rounds` times; every second round goes backwards. */
export async function runRounds(
  variants: readonly Variant[],
  rounds: number,
  progress: (text: string) => void = () => {},
): Promise<Outcome[]> {
  const measured = new Map<string, Figures[]>(variants.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const variant of round % 2 === 0 ? variants : variants.toReversed()) {
      progress(`round ${round + 1} of ${rounds}: ${variant.name}`);
      measured.get(variant.name)!.push(await variant.measure());
    }
  }
  const medians = new Map(variants.map(({ name }) => [name, medianOf(measured.get(name)!)]));
  return variants.map(({ name, baseline }) => {
    const figures = medians.get(name)!;
    if (baseline === undefined) return { name, figures };
    const base = medians.get(baseline);
    if (base === undefined) throw new RangeError(`${name} has no baseline ${baseline} in this run`);
    return { name, figures, ratios: mapFigures(figures, (value, key) => value / base[key]!) };
  });
}

function medianOf(all: readonly Figures[]): Figures {
  return mapFigures(all[0] ?? {}, (_, key) => median(all.map((figures) => figures[key]!)));
}

function mapFigures(figures: Figures, fn: (value: number, key: string) => number): Figures {
  return Object.fromEntries(Object.entries(figures).map(([key, value]) => [key, fn(value, key)]));
}

/** A Markdown table, one row per variant, with the ratio to the baseline in parentheses. */
export function formatOutcomes(outcomes: readonly Outcome[]): string {
  const keys = Object.keys(outcomes[0]?.figures ?? {});
  const row = (cells: readonly string[]) => `| ${cells.join(" | ")} |\n`;
  const cell = (value: number, ratio: number | undefined) =>
    value.toFixed(value < 10 ? 1 : 0) +
    (ratio === undefined || !Number.isFinite(ratio) ? "" : ` (×${ratio.toFixed(2)})`);
  return row(["", ...keys]) + row(["---", ...keys.map(() => "---:")]) +
    outcomes.map(({ name, figures, ratios }) =>
      row([name, ...keys.map((key) => cell(figures[key]!, ratios?.[key]))])
    ).join("");
}
