import type { Host } from "../../src/platform/host.ts";

/** A {@linkcode Host} with fixed answers that keeps what is written to it. */
export class StubHost implements Host {
  readonly pid = 4711;
  readonly runtime = { deno: "2.9.6", v8: "15.0.245", os: "linux", arch: "x86_64" };
  readonly program = ["/usr/local/bin/edge-agent"] as const;
  readonly noColor = true;
  stdout = "";
  stderr = "";
  /** What standard input holds. */
  stdin = "";
  constructor(readonly variables: Record<string, string> = {}) {}

  hostname(): string {
    return "edge-1";
  }
  env(): Record<string, string> {
    return { ...this.variables };
  }
  absolutePath(path: string): string {
    return path.startsWith("/") ? path : `/cwd/${path}`;
  }
  readInput(limitBytes: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const bytes = new TextEncoder().encode(this.stdin);
    return Promise.resolve(bytes.length > limitBytes ? undefined : bytes);
  }
  write(stream: "stdout" | "stderr", text: string): void {
    this[stream] += text;
  }
  isTerminal(): boolean {
    return false;
  }
  memory(): { residentBytes: number; heapBytes: number } {
    return { residentBytes: 50_000_000, heapBytes: 8_000_000 };
  }
  makeTempDir(prefix: string): Promise<string> {
    return Promise.resolve(`/tmp/${prefix}1`);
  }
  removeTempDir(): Promise<void> {
    return Promise.resolve();
  }
  randomBytes(length: number): Uint8Array {
    return new Uint8Array(length);
  }
  random(): number {
    return 0.5;
  }
  exit(code: number): never {
    throw new Error(`exit ${code}`);
  }
}
