import { supportsClientCertificates } from "../platform/host.ts";
import type { AgentContext, Output } from "./context.ts";
import { AGENT_VERSION } from "./version.ts";

/** `edge-agent version`. */
export function versionCommand(this: AgentContext, { output }: { output: Output }): void {
  const { host } = this;
  const { deno, v8, os, arch } = host.runtime;
  const clientCertificates = supportsClientCertificates(host.runtime);
  const facts = { version: AGENT_VERSION, deno, v8, os, arch, clientCertificates };
  const text = [
    `edge-agent ${AGENT_VERSION}`,
    `deno ${deno} (v8 ${v8})`,
    `${os} ${arch}`,
    `client certificates: ${clientCertificates ? "supported" : "not supported, needs Deno 2.9"}`,
  ];
  host.write("stdout", (output === "json" ? JSON.stringify(facts) : text.join("\n")) + "\n");
}
