import { resolve } from "node:path/posix";

/** The runtime that executes the agent. */
export interface Runtime {
  /** Version of Deno. */
  deno: string;
  v8: string;
  os: string;
  arch: string;
}

/** The process and the machine it runs on, as a port. */
export interface Host {
  readonly pid: number;
  readonly runtime: Runtime;
  /** How this program is started again: its path, and the first arguments if it is not compiled. */
  readonly program: readonly [string, ...string[]];
  hostname(): string;
  env(): Record<string, string>;
  /** Makes a path given on the command line absolute. */
  absolutePath(path: string): string;
  /** All of standard input; undefined when it is longer than `limitBytes`. */
  readInput(limitBytes: number): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Writes all of `text`; a reader that went away is no error. */
  write(stream: "stdout" | "stderr", text: string): void;
  isTerminal(stream: "stdout" | "stderr"): boolean;
  /** Whether the user wants no colours (NO_COLOR). */
  readonly noColor: boolean;
  /** Bytes of memory in use by the process, and by JavaScript objects in it. */
  memory(): { residentBytes: number; heapBytes: number };
  /** Makes an empty directory (0700) below the system's temporary one. */
  makeTempDir(prefix: string): Promise<string>;
  /** Removes a directory that {@linkcode Host.makeTempDir} made, with all that is in it. */
  removeTempDir(path: string): Promise<void>;
  /** A number from 0 to 1 exclusive. */
  random(): number;
  /** Ends the process at once. */
  exit(code: number): never;
}

/** This process. */
export function createHost(): Host {
  return {
    pid: Deno.pid,
    runtime: {
      deno: Deno.version.deno,
      v8: Deno.version.v8,
      os: Deno.build.os,
      arch: Deno.build.arch,
    },
    get program() {
      const path = Deno.execPath();
      return Deno.build.standalone
        ? [path] as const
        : [path, "run", "-A", decodeURIComponent(new URL(Deno.mainModule).pathname)] as const;
    },
    noColor: Deno.noColor,
    hostname: () => Deno.hostname(),
    env: () => Deno.env.toObject(),
    absolutePath: (path) => path.startsWith("/") ? resolve(path) : resolve(Deno.cwd(), path),
    readInput,
    write(stream, text) {
      const bytes = new TextEncoder().encode(text);
      try {
        for (let done = 0; done < bytes.length;) {
          done += Deno[stream].writeSync(bytes.subarray(done));
        }
      } catch (error) {
        // `edge-agent config print | head` is fine, and a log that nobody can read must not stop the agent.
        if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
      }
    },
    isTerminal: (stream) => Deno[stream].isTerminal(),
    memory() {
      const { rss, heapUsed } = Deno.memoryUsage();
      return { residentBytes: rss, heapBytes: heapUsed };
    },
    makeTempDir: (prefix) => Deno.makeTempDir({ prefix }),
    removeTempDir: (path) => Deno.remove(path, { recursive: true }),
    random: () => Math.random(),
    exit: (code) => Deno.exit(code),
  };
}

async function readInput(limitBytes: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
  let buffer = new Uint8Array(Math.min(limitBytes, 8_192) + 1);
  let length = 0;
  for (;;) {
    const count = await Deno.stdin.read(buffer.subarray(length));
    if (count === null) return buffer.slice(0, length);
    length += count;
    if (length > limitBytes) return undefined;
    if (length === buffer.length) {
      const larger = new Uint8Array(Math.min(limitBytes + 1, length * 4));
      larger.set(buffer);
      buffer = larger;
    }
  }
}

/** Whether a TLS listener of this runtime can ask for client certificates: Deno 2.9 and later. */
export function supportsClientCertificates({ deno }: Pick<Runtime, "deno">): boolean {
  const [major = 0, minor = 0] = deno.split(".").map(Number);
  return major > 2 || major === 2 && minor >= 9;
}
