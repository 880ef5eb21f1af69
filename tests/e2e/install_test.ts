import assert from "node:assert/strict";
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dirname!, "..", "..");

/** install.sh under a prefix of its own, with a stand-in for the binary: what is tested is the script. */
class Installation implements AsyncDisposable {
  private constructor(readonly prefix: string, readonly binary: string) {}

  static async create(version = "edge-agent 0.0.1"): Promise<Installation> {
    const prefix = await mkdtemp(join(tmpdir(), "edge-agent-install-"));
    const installation = new Installation(prefix, `${prefix}.binary`);
    await installation.setVersion(version);
    return installation;
  }

  async setVersion(version: string): Promise<void> {
    const script = `case "$*" in
      version) echo "${version}" ;;
      "config check --config "*) ! grep "unknown key" "$4" >&2 ;;
      *) exit 1 ;;
    esac`;
    await writeFile(this.binary, `#!/bin/sh\n${script}\n`);
    await chmod(this.binary, 0o755);
  }

  async run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    const { code, stdout, stderr } = await new Deno.Command(join(ROOT, "install.sh"), {
      args,
      cwd: tmpdir(),
      stdin: "null",
    }).output();
    const decoder = new TextDecoder();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  }

  install(...args: string[]) {
    return this.run("--prefix", this.prefix, "--binary", this.binary, ...args);
  }

  read(path: string): Promise<string> {
    return readFile(join(this.prefix, path), "utf8");
  }

  async has(path: string): Promise<boolean> {
    return await stat(join(this.prefix, path)).then(() => true, () => false);
  }

  async modeOf(path: string): Promise<string> {
    return ((await stat(join(this.prefix, path))).mode & 0o7777).toString(8);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.prefix, { recursive: true, force: true });
    await rm(this.binary, { force: true });
  }
}

const BINARY = "usr/local/bin/edge-agent";
const CONFIG = "etc/edge-agent/config.yaml";
const STATE = "var/lib/edge-agent";
const UNIT = "etc/systemd/system/edge-agent.service";
const RESTORE_UNIT = "etc/systemd/system/edge-agent-restore.service";

Deno.test("install.sh puts binary, config, state and unit under the prefix", async () => {
  await using installation = await Installation.create();
  const { code, stdout, stderr } = await installation.install();
  assert.equal(code, 0, stderr);
  assert.equal(await installation.read(BINARY), await readFile(installation.binary, "utf8"));
  assert.equal(await installation.modeOf(BINARY), "755");
  assert.equal(await installation.modeOf(STATE), "700");
  assert.equal(await installation.modeOf(CONFIG), "600");
  assert.match(stdout, /config check --config \S+config\.yaml/);
});

Deno.test("install.sh moves the paths in config and unit under the prefix", async () => {
  await using installation = await Installation.create();
  await installation.install();
  const { prefix } = installation;
  const unit = await installation.read(UNIT);
  assert.ok(
    unit.includes(`ExecStart=${prefix}/${BINARY} run --config ${prefix}/${CONFIG}\n`),
    unit,
  );
  assert.ok(unit.includes(`ReadWritePaths=${prefix}/${STATE}\n`), unit);
  assert.doesNotMatch(unit, /^StateDirectory/m);
  const restore = await installation.read(RESTORE_UNIT);
  const command = `${prefix}/${BINARY} snapshot restore --config ${prefix}/${CONFIG}`;
  assert.ok(restore.includes(`ExecStart=${command}\n`), restore);
  const config = await installation.read(CONFIG);
  assert.ok(config.includes(`${prefix}/${STATE}`), config);
  assert.doesNotMatch(config, /(?<![\w-])\/var\/lib\/edge-agent/);
});

Deno.test("the unit makes every directory that the agent may write, before it starts", async () => {
  await using installation = await Installation.create();
  await installation.install();
  const unit = await installation.read(UNIT);
  const optional = [...unit.matchAll(/ -(\/\S+)|ReadWritePaths=-(\S+)/g)].map((match) =>
    match[1] ?? match[2]!
  );
  assert.ok(optional.includes("/etc/cni"), unit);
  const made = /^ExecStartPre=-\+\/bin\/mkdir -p (.*)$/m.exec(unit)?.[1]?.split(" ") ?? [];
  for (const path of optional) {
    assert.ok(made.some((each) => `${each}/`.startsWith(`${path}/`)), path);
  }
});

Deno.test("install.sh never touches an existing config", async () => {
  await using installation = await Installation.create();
  await installation.install();
  const example = await installation.read(CONFIG);
  await writeFile(join(installation.prefix, CONFIG), "mine: true\n");
  await installation.setVersion("edge-agent 0.0.2");
  const { code, stdout, stderr } = await installation.install();
  assert.equal(code, 0, stderr);
  assert.equal(await installation.read(CONFIG), "mine: true\n");
  assert.equal(await installation.read(`${CONFIG}.new`), example);
  assert.match(await installation.read(BINARY), /0\.0\.2/);
  assert.match(stdout, /kept .*config\.yaml/);
});

Deno.test("install.sh leaves no second config when the first one is unchanged", async () => {
  await using installation = await Installation.create();
  await installation.install();
  await installation.install();
  assert.equal(await installation.has(`${CONFIG}.new`), false);
});

Deno.test("install.sh --uninstall keeps config and state", async () => {
  await using installation = await Installation.create();
  await installation.install();
  await writeFile(join(installation.prefix, STATE, "state.db"), "precious");
  const { code, stderr } = await installation.run("--prefix", installation.prefix, "--uninstall");
  assert.equal(code, 0, stderr);
  assert.equal(await installation.has(BINARY), false);
  assert.equal(await installation.has(UNIT), false);
  assert.equal(await installation.has(RESTORE_UNIT), false);
  assert.equal(await installation.has(CONFIG), true);
  assert.equal(await installation.read(join(STATE, "state.db")), "precious");
});

Deno.test("install.sh --uninstall --purge leaves no file", async () => {
  await using installation = await Installation.create();
  await installation.install();
  const { prefix } = installation;
  const { code, stderr } = await installation.run("--prefix", prefix, "--uninstall", "--purge");
  assert.equal(code, 0, stderr);
  for (const path of [BINARY, UNIT, RESTORE_UNIT, CONFIG, STATE]) {
    assert.equal(await installation.has(path), false, path);
  }
});

Deno.test("install.sh keeps the former binary when the new one does not run here", async () => {
  await using installation = await Installation.create();
  await installation.install();
  await writeFile(installation.binary, "#!/bin/sh\nexit 1\n");
  const { code, stderr } = await installation.install();
  assert.equal(code, 1);
  assert.match(stderr, /does not run on this host/);
  assert.match(await installation.read(BINARY), /0\.0\.1/);
  assert.equal(await installation.has(`${BINARY}.new`), false);
});

Deno.test("install.sh keeps the former binary when the new one does not take the config", async () => {
  await using installation = await Installation.create();
  await installation.install();
  await writeFile(join(installation.prefix, CONFIG), "# unknown key\n");
  await installation.setVersion("edge-agent 0.0.2");
  const { code, stderr } = await installation.install();
  assert.equal(code, 1);
  assert.match(stderr, /unknown key[^]*does not take .*config\.yaml, see above/);
  assert.match(await installation.read(BINARY), /0\.0\.1/);
  assert.equal(await installation.has(`${BINARY}.new`), false);
});

Deno.test.each([
  { name: "an unknown option", args: ["--frobnicate"], want: /unknown option --frobnicate/ },
  { name: "a missing value", args: ["--prefix"], want: /--prefix needs a value/ },
  { name: "--purge alone", args: ["--purge"], want: /--purge goes with --uninstall/ },
  { name: "a prefix with a space", args: ["--prefix", "/tmp/a b"], want: /letters, digits/ },
])("install.sh ends with 2 on $name", async ({ args, want }) => {
  await using installation = await Installation.create();
  const { code, stderr } = await installation.run(...args);
  assert.equal(code, 2);
  assert.match(stderr, want);
});

Deno.test("install.sh --help names every option", async () => {
  await using installation = await Installation.create();
  const { code, stdout } = await installation.run("--help");
  assert.equal(code, 0);
  for (const option of ["--prefix", "--binary", "--uninstall", "--purge"]) {
    assert.ok(stdout.includes(option), option);
  }
});
