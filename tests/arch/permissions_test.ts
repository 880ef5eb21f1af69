import assert from "node:assert/strict";
import { parseBuildOptions } from "../../dist/compile.ts";
import { PERMISSIONS, permissionsOf, toFlags } from "../../dist/permissions.ts";
import { PROGRAMS } from "../../src/platform/programs.ts";
import { RUNTIME_SOCKETS } from "../../src/snapshot/ipam/runtime_sign.ts";

const NOTHING = { read: [], write: [] };

Deno.test("the binary may not load libraries or import code", () => {
  const flags = toFlags(permissionsOf(NOTHING)).join(" ");
  assert.doesNotMatch(flags, /(^| )(-A|--allow-(all|ffi|import|hrtime))\b/);
  assert.match(flags, /(^| )--no-prompt( |$)/);
});

Deno.test("the binary may run a literal list of programs only", () => {
  const flags = toFlags(permissionsOf(NOTHING)).filter((flag) => flag.startsWith("--allow-run"));
  assert.deepEqual(flags, [`--allow-run=${PROGRAMS.join(",")}`]);
  for (const { allow, what } of PERMISSIONS) {
    if (allow === "run") assert.match(what ?? "", /^[a-z][a-z0-9-]*$/);
  }
});

Deno.test("the binary may read and write named paths only", () => {
  for (const { allow, what, why } of PERMISSIONS) {
    assert.notEqual(why.trim(), "", `${allow} ${what} has no reason`);
    if (allow === "read" || allow === "write") {
      const places = /^\/(etc|var\/lib|(var\/)?run\/[A-Za-z0-9-]+|opt\/cni\/bin|tmp)\b/;
      assert.match(what ?? "", places);
    }
    if (allow === "env" || allow === "sys") assert.notEqual(what, undefined);
  }
});

Deno.test("the binary may look wherever a container runtime shows itself", () => {
  const readable = PERMISSIONS.filter(({ allow }) => allow === "read").map(({ what }) => what!);
  for (const path of [...RUNTIME_SOCKETS, "/run/netns/x"]) {
    assert.ok(readable.some((folder) => path.startsWith(`${folder}/`)), path);
  }
});

Deno.test("permissionsOf() adds the paths under a prefix and extra paths", () => {
  const before = new Set(toFlags(permissionsOf(NOTHING)).flatMap((flag) => flag.split(/[=,]/)));
  const extra = { prefix: "/opt/x", read: ["/opt/ca"], write: ["/srv"] };
  const after = toFlags(permissionsOf(extra)).flatMap((flag) => flag.split(/[=,]/));
  assert.deepEqual(
    [...new Set(after.filter((part) => !before.has(part)))].sort(),
    ["/opt/ca", "/opt/x/etc/edge-agent", "/opt/x/var/lib/edge-agent", "/srv"],
  );
});

Deno.test("toFlags() joins what belongs to one flag", () => {
  const flags = toFlags([
    { allow: "net", why: "a" },
    { allow: "read", what: "/a", why: "a" },
    { allow: "read", what: "/b", why: "a" },
    { allow: "read", what: "/a", why: "a" },
  ]);
  assert.deepEqual(flags.filter((flag) => flag.startsWith("--allow")), [
    "--allow-net",
    "--allow-read=/a,/b",
  ]);
});

Deno.test.each([
  {
    name: "an unknown architecture",
    args: ["--arch", "mips"],
    want: /--arch must be x64 or arm64/,
  },
  { name: "an unknown option", args: ["--foo"], want: /--foo/ },
  { name: "a relative path", args: ["--read", "a"], want: /must be absolute: it is a/ },
  { name: "a comma in a path", args: ["--write", "/a,/etc"], want: /can't hold a comma/ },
])("parseBuildOptions() refuses $name", ({ args, want }) => {
  assert.throws(() => parseBuildOptions(args), (error) => {
    assert.ok(error instanceof TypeError);
    assert.match(error.message, want);
    return true;
  });
});

Deno.test("parseBuildOptions() permits to read what may be written", () => {
  const options = parseBuildOptions(["--write", "/a", "--read", "/b", "--prefix", "/opt/x/"]);
  assert.deepEqual([options?.read, options?.write, options?.prefix], [
    ["/b", "/a"],
    ["/a"],
    "/opt/x",
  ]);
});
