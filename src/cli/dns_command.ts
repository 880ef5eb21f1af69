import { UnavailableError, UsageError } from "../kernel/errors.ts";
import { errorMessage } from "../kernel/errors.ts";
import { formatExplainQuestion, parseExplanation } from "../dns/explain_question.ts";
import { formatFrame, TcpFrames } from "../dns/wire/tcp_frames.ts";
import { formatHostPort } from "../config/scalars.ts";
import { connectTcp, type TcpAddress } from "../platform/tcp.ts";
import type { AgentContext, ConfigFlags } from "./context.ts";
import { readConfig } from "./read_config.ts";
import { runDns } from "./run_agent.ts";

/** Longest explanation, bytes. */
const MAX_BYTES = 65_535;

/** `edge-agent dns`, or with `--explain` a question to the one that runs. */
export async function dnsCommand(
  this: AgentContext,
  { explain, ...flags }: ConfigFlags & { explain?: string },
  type = "A",
): Promise<void> {
  if (explain === undefined) return await runDns(this, flags);
  const { config, path } = await readConfig(flags, this.host);
  if (config.dns === undefined) {
    throw new UsageError(`${path} has no section "dns": it says where the server listens`);
  }
  let question: Uint8Array;
  try {
    question = formatExplainQuestion(1, explain, type);
  } catch (error) {
    throw new UsageError(errorMessage(error));
  }
  const lines = parseExplanation(await ask(config.dns.listen, question));
  this.host.write("stdout", lines.map((line) => line + "\n").join(""));
}

/** One question over TCP. @throws {UnavailableError} when nobody answers */
async function ask(server: TcpAddress, question: Uint8Array): Promise<Uint8Array> {
  const socket = await connectTcp(server).catch((error) => {
    throw new UnavailableError(`Is the agent running? ${errorMessage(error)}`);
  });
  try {
    await socket.write(formatFrame(question));
    const frames = new TcpFrames(MAX_BYTES);
    const buffer = new Uint8Array(MAX_BYTES);
    for (;;) {
      const count = await socket.read(buffer);
      if (count === null) {
        throw new UnavailableError(`${formatHostPort(server)} closed the connection`);
      }
      const [reply] = frames.push(buffer.subarray(0, count));
      if (reply !== undefined) return reply;
    }
  } finally {
    socket.close();
  }
}
