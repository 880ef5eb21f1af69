/**
 * A handle on the client-go informer program.
 *
 * @module
 */

import type { ClientRelease } from "./components.ts";
import { TextLineStream } from "./lines.ts";
import { sendSignal } from "./process.ts";

/** Resources that the program knows. */
export type InformerResource = "configmaps" | "endpointslices" | "nodes" | "pods" | "services";

/** Flags of the program. */
export interface InformerFlags {
  /** Which client-go it is built with; default the cluster's own. */
  readonly release?: ClientRelease;
  readonly kubeconfig: string;
  readonly resource: InformerResource;
  /** Default all. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly userAgent?: string;
  /** `application/json` to speak JSON; default client-go's own, which is protobuf. */
  readonly contentType?: string;
  /** As Go writes it, `30s`; default until {@linkcode Informer.stop}. */
  readonly duration?: string;
}

/** One thing that the program saw, at a time in ms since 1970. */
export type InformerLine =
  & { readonly at: number }
  & (
    | { readonly type: "synced"; readonly count: number }
    | {
      readonly type: "add" | "update" | "delete";
      /** `namespace/name`, or the name alone. */
      readonly key: string;
      readonly rv: string;
      readonly uid: string;
      /** Set when the delete itself was missed and found by a relist. */
      readonly missed?: true;
    }
    | {
      /** Printed when the headers of the answer arrive. */
      readonly type: "request";
      readonly method: string;
      readonly url: string;
      readonly status: number;
      readonly contentType: string;
    }
    | {
      readonly type: "requestError";
      readonly method: string;
      readonly url: string;
      readonly error: string;
    }
    | { readonly type: "watchError"; readonly error: string }
    | {
      readonly type: "warning";
      readonly code: number;
      readonly agent: string;
      readonly text: string;
    }
    | { readonly type: "store"; readonly keys: Readonly<Record<string, string>> }
  );

/** The lines of one type. */
export type InformerLineOf<T extends InformerLine["type"]> = Extract<
  InformerLine,
  { readonly type: T }
>;

/** A running informer; iterating it gives its lines from the first one on, until it ends. */
export class Informer implements AsyncDisposable, AsyncIterable<InformerLine> {
  /** All lines so far. */
  readonly lines: InformerLine[] = [];
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<void>;
  #log = "";
  #ended = false;
  /** Resolved and replaced at each new line and at the end. */
  #news = Promise.withResolvers<void>();

  private constructor(program: string, flags: InformerFlags) {
    const { kubeconfig, resource, namespace, labelSelector, fieldSelector } = flags;
    const values = {
      ...{ kubeconfig, resource, namespace, duration: flags.duration },
      ...{ "label-selector": labelSelector, "field-selector": fieldSelector },
      ...{ "user-agent": flags.userAgent, "content-type": flags.contentType },
    };
    this.#child = new Deno.Command(program, {
      args: Object.entries(values).flatMap(([name, value]) => value ? [`--${name}=${value}`] : []),
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#reading = Promise.all([this.#readLines(), this.#readLog()]).then(() => {});
  }

  /** Starts the program; returns at once. */
  static start(program: string, flags: InformerFlags): Informer {
    return new Informer(program, flags);
  }

  /** What client-go logged. */
  get log(): string {
    return this.#log;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<InformerLine> {
    for (let next = 0;;) {
      const news = this.#news.promise;
      while (next < this.lines.length) yield this.lines[next++]!;
      if (this.#ended && next === this.lines.length) return;
      if (news === this.#news.promise) await news;
    }
  }

  /**
   * Returns the first line that fits, of those already there or still to come; `from` skips that many
   * lines. Throws with the last lines when time runs out or the program ends.
   */
  async waitFor<L extends InformerLine>(
    predicate: ((line: InformerLine) => line is L) | ((line: InformerLine) => boolean),
    timeoutMs = 10_000,
    from = 0,
  ): Promise<L> {
    const deadline = performance.now() + timeoutMs;
    for (let next = from;;) {
      const news = this.#news.promise;
      for (; next < this.lines.length; next++) {
        const line = this.lines[next]!;
        if (predicate(line)) return line as L;
      }
      const leftMs = deadline - performance.now();
      if (this.#ended || leftMs <= 0) throw this.#missed(timeoutMs);
      if (news === this.#news.promise) await within(news, leftMs);
    }
  }

  /** The store as it is now. */
  async store(timeoutMs?: number): Promise<InformerLineOf<"store">> {
    // The program can take the signal only after it has set up, which its first line proves.
    await this.waitFor(() => true, timeoutMs);
    const from = this.lines.length;
    sendSignal(this.#child, "SIGUSR1");
    return await this.waitFor((line) => line.type === "store", timeoutMs, from);
  }

  /** Ends the program, by its last `store` line if it can; returns all lines. */
  async stop(): Promise<readonly InformerLine[]> {
    sendSignal(this.#child, "SIGTERM");
    // client-go waits for its requests to end, which a black hole can hold up.
    const timer = setTimeout(() => sendSignal(this.#child, "SIGKILL"), 5_000);
    try {
      await Promise.all([this.#reading, this.#child.status]);
    } finally {
      clearTimeout(timer);
    }
    return this.lines;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #readLines(): Promise<void> {
    for await (const text of this.#child.stdout.pipeThrough(new TextLineStream())) {
      this.lines.push(JSON.parse(text));
      this.#notify();
    }
    this.#ended = true;
    this.#notify();
  }

  async #readLog(): Promise<void> {
    for await (const text of this.#child.stderr.pipeThrough(new TextLineStream())) {
      this.#log += `${text}\n`;
    }
  }

  #notify(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers<void>();
  }

  #missed(timeoutMs: number): Error {
    const why = this.#ended ? "it ended" : `${timeoutMs} ms passed`;
    const last = this.lines.slice(-10).map((line) => JSON.stringify(line)).join("\n");
    return new Error(
      `The informer did not print what was waited for: ${why}; last lines:\n${last}\n${this.#log}`,
    );
  }
}

/** Waits for a promise or for a time, whichever comes first. */
async function within(promise: Promise<void>, ms: number): Promise<void> {
  const timeout = Promise.withResolvers<void>();
  const timer = setTimeout(timeout.resolve, ms);
  await Promise.race([promise, timeout.promise]);
  clearTimeout(timer);
}
