import type { Clock } from "../kernel/clock.ts";
import { errorMessage } from "../kernel/errors.ts";

const WIDTH = 80;
/** ` 12.3 s  ✓ ` */
const INDENT = 11;
/** A wait longer than this is told also where lines can't be rewritten, ms. */
const SLOW_MS = 1_000;
const TICK_MS = 100;

/** Where a timeline is shown. */
export interface TimelinePorts {
  clock: Clock;
  /** Writes text as it is. */
  print(text: string): void;
  /** Whether a line can be rewritten while a step runs. */
  isTerminal: boolean;
  color: boolean;
  /** Once it aborts, no step is told any more. */
  signal: AbortSignal;
}

/** A story told step by step while it happens, each line with its time, ✓ or ✗. */
export class Timeline {
  readonly #ports: TimelinePorts;
  readonly #startMs: number;
  #held = 0;
  #failed = 0;

  constructor(ports: TimelinePorts) {
    this.#ports = ports;
    this.#startMs = ports.clock.monotonic();
  }

  /** Steps that held. */
  get held(): number {
    return this.#held;
  }

  /** Steps that did not. */
  get failed(): number {
    return this.#failed;
  }

  /** Ms since the timeline began. */
  get elapsedMs(): number {
    return this.#ports.clock.monotonic() - this.#startMs;
  }

  title(text: string, subtitle: string): void {
    this.#ports.print(`\n${this.#paint("bold", text)}\n`);
    for (const line of wrap(subtitle, WIDTH)) this.#ports.print(`${this.#paint("dim", line)}\n`);
  }

  heading(text: string): void {
    this.#ports.print(`\n  ${this.#paint("bold", text)}\n`);
  }

  /** A line of the summary: what, and how much. */
  figure(name: string, value: string): void {
    const lines = wrap(value, WIDTH - 32);
    const rest = lines.slice(1).map((line) => `${" ".repeat(32)}${line}\n`).join("");
    this.#ports.print(`  ${name.padEnd(30)}${lines[0]}\n${rest}`);
  }

  line(text: string): void {
    for (const line of wrap(text, WIDTH - 2)) this.#ports.print(`  ${line}\n`);
  }

  /**
   * Runs one step. `awaited` is shown while it runs, what it returns when it held, its error when not.
   * Resolves to whether it held.
   * @throws the reason of the signal once that has aborted.
   */
  async step(awaited: string, run: () => string | Promise<string>): Promise<boolean> {
    const { signal } = this.#ports;
    signal.throwIfAborted();
    const stopWaiting = this.#showWaiting(awaited);
    try {
      const outcome = await run();
      stopWaiting();
      this.#held++;
      this.#stepLine(this.#paint("green", "✓"), outcome);
      return true;
    } catch (error) {
      stopWaiting();
      signal.throwIfAborted();
      this.#failed++;
      this.#stepLine(this.#paint("red", "✗"), `${awaited}: ${errorMessage(error)}`);
      return false;
    }
  }

  #showWaiting(awaited: string): () => void {
    const { clock, isTerminal, print } = this.#ports;
    const startMs = clock.monotonic();
    let cancel = () => {};
    const tick = () => {
      const seconds = ((clock.monotonic() - startMs) / 1_000).toFixed(1);
      const [text] = wrap(awaited, WIDTH - INDENT - 12);
      print(`\r\x1b[K${this.#time()}  ${this.#paint("dim", `… ${text} (${seconds} s)`)}`);
      cancel = clock.timer(TICK_MS, tick);
    };
    if (isTerminal) tick();
    else cancel = clock.timer(SLOW_MS, () => this.#stepLine("…", awaited));
    return () => {
      cancel();
      if (isTerminal) print("\r\x1b[K");
    };
  }

  #stepLine(mark: string, text: string): void {
    const [first, ...rest] = wrap(text, WIDTH - INDENT);
    const more = rest.map((line) => `${" ".repeat(INDENT)}${line}\n`).join("");
    this.#ports.print(`${this.#time()}  ${mark} ${first}\n${more}`);
  }

  #time(): string {
    return this.#paint("dim", `${(this.elapsedMs / 1_000).toFixed(1).padStart(5)} s`);
  }

  #paint(style: "bold" | "dim" | "green" | "red", text: string): string {
    if (!this.#ports.color) return text;
    const code = { bold: 1, dim: 2, green: 32, red: 31 }[style];
    return `\x1b[${code}m${text}\x1b[0m`;
  }
}

/** Lines of at most `width` columns, broken at spaces; one word that is longer is kept whole. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line += line === "" ? word : ` ${word}`;
  }
  return [...lines, line];
}

/** `870 ms`, `2.4 s`. */
export function formatMs(ms: number): string {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

/** `812 B`, `3.4 KB`, `1.2 MB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  return bytes < 1_000_000 ? `${(bytes / 1_000).toFixed(1)} KB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
