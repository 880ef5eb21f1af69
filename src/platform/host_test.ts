import assert from "node:assert/strict";
import { createHost, supportsClientCertificates } from "./host.ts";

Deno.test.each([
  { deno: "2.7.11", want: false },
  { deno: "2.8.3", want: false },
  { deno: "2.9.0", want: true },
  { deno: "2.10.1", want: true },
  { deno: "3.0.0-rc.1", want: true },
  { deno: "1.46.3", want: false },
])("supportsClientCertificates() is $want for Deno $deno", ({ deno, want }) => {
  assert.equal(supportsClientCertificates({ deno }), want);
});

Deno.test("Host.absolutePath() resolves against the working directory and drops dots", () => {
  const host = createHost();
  assert.equal(host.absolutePath("/etc/./x/../y"), "/etc/y");
  assert.equal(host.absolutePath("x.yaml"), `${Deno.cwd()}/x.yaml`);
});
