import { createHash } from "node:crypto";
import type { Clock } from "../../kernel/clock.ts";
import { negotiate } from "../../kube/accept.ts";
import type { Answer } from "../../kube/answer.ts";
import type { KeptAnswers } from "../store/kept.ts";
import type { KeptAnswer } from "../store/overlay.ts";
import { victimOf } from "./fair_room.ts";

/** How many answers of a kind are kept, and for how long. */
export interface AnswerLimits {
  maxCount: number;
  /** Looked at when a new one comes in: in an outage none is forgotten. */
  maxAgeMs: number;
}

/** A kubelet's are some 2 KB. Longer ones, which a caller's own long question makes, would fill the store. */
const MAX_BODY_BYTES = 64 * 1024;

/** When an answer was given: by the monotonic clock if that was in this process, else by the wall clock. */
type Given = { monotonicMs: number } | { wallMs: number };

/** A wall clock before this was not set yet: a device without a battery begins in 1970. */
const CLOCK_SET_MS = Date.UTC(2025, 0, 1);

/**
 * Answers to questions that only the cloud can answer, kept for the time without it: by caller and question,
 * one per encoding. The question, which may hold a token, is kept as its SHA-256 alone.
 */
export class BoundedAnswers {
  readonly #prefix: string;
  readonly #kept: KeptAnswers;
  readonly #clock: Clock;
  readonly #limits: AnswerLimits;
  /** Key -> when it was given; read at the first use. Oldest first. */
  #index: Map<string, Given> | undefined;

  /** @param kind first part of every key, which tells the store what to seal */
  constructor(kind: string, kept: KeptAnswers, clock: Clock, limits: AnswerLimits) {
    this.#prefix = `${kind}\n`;
    this.#kept = kept;
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Takes the place of what was kept for the question in that encoding; what is very long is not kept. */
  keep(caller: string, question: Uint8Array | string, answer: Answer): void {
    if (answer.body.length > MAX_BODY_BYTES) return this.forget(caller, question);
    const key = this.#keyOf(caller, question) + (answer.headers["content-type"] ?? "");
    const index = this.#index ??= this.#load();
    this.#kept.keep(key, answer);
    index.delete(key);
    index.set(key, { monotonicMs: this.#clock.monotonic() });
    for (const [old, given] of index) {
      if ((this.#ageMs(given) ?? 0) <= this.#limits.maxAgeMs) break;
      this.#drop(index, old);
    }
    while (index.size > this.#limits.maxCount) {
      const entries = [...index.keys()].map((entry) => ({
        ...{ entry, caller: entry.split("\n", 2)[1]!, amount: 1 },
      }));
      this.#drop(index, victimOf(entries)!);
    }
  }

  #drop(index: Map<string, Given>, key: string): void {
    index.delete(key);
    this.#kept.forget(key);
  }

  /** The answer in the encoding that the client likes best. @param maxAgeMs by default any */
  find(
    caller: string,
    question: Uint8Array | string,
    accept: string | null,
    maxAgeMs: number = Infinity,
  ): KeptAnswer | undefined {
    const index = this.#index ??= this.#load();
    const answers = this.#kept.keys(this.#keyOf(caller, question)).filter((key) => {
      const given = index.get(key);
      return maxAgeMs === Infinity ||
        (given !== undefined && (this.#ageMs(given) ?? Infinity) <= maxAgeMs);
    }).flatMap((key) => this.#kept.get(key) ?? []);
    return answers[negotiate(accept, answers.map(({ headers }) => headers["content-type"] ?? ""))];
  }

  forget(caller: string, question: Uint8Array | string): void {
    for (const key of this.#kept.keys(this.#keyOf(caller, question))) {
      this.#kept.forget(key);
      this.#index?.delete(key);
    }
  }

  #keyOf(caller: string, question: Uint8Array | string): string {
    const hash = createHash("sha256").update(question).digest("hex");
    return `${this.#prefix}${caller}\n${hash}\n`;
  }

  /** Undefined when a wall clock that was wrong, then or now, leaves it unknown. */
  #ageMs(given: Given): number | undefined {
    if ("monotonicMs" in given) return this.#clock.monotonic() - given.monotonicMs;
    const ageMs = this.#clock.now() - given.wallMs;
    return given.wallMs < CLOCK_SET_MS || ageMs < 0 ? undefined : ageMs;
  }

  #load(): Map<string, Given> {
    const entries = this.#kept.keys(this.#prefix).map((key) =>
      [key, { wallMs: this.#kept.get(key)?.atMs ?? 0 }] as const
    );
    return new Map(entries.sort(([, a], [, b]) => a.wallMs - b.wallMs));
  }
}
