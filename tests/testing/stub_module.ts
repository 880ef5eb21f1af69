import type { Module } from "../../src/kernel/module.ts";

/** A {@linkcode Module} that says what the test wants and notes what is done to it. */
export class StubModule implements Module {
  /** What was called, in order. */
  readonly calls: string[] = [];
  constructor(
    readonly name: string,
    readonly says: { reason?: string; status?: Record<string, unknown> } = {},
  ) {}

  start(): Promise<void> {
    this.calls.push("start");
    return Promise.resolve();
  }
  notReady(): string | undefined {
    return this.says.reason;
  }
  status(): Record<string, unknown> {
    return this.says.status ?? {};
  }
  [Symbol.asyncDispose](): Promise<void> {
    this.calls.push("dispose");
    return Promise.resolve();
  }
}
