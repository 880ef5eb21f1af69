import type { Clock } from "../kernel/clock.ts";
import { errorMessage } from "../kernel/errors.ts";
import { createCa, issueServingCert } from "../kube/pki.ts";
import type { Fs } from "../platform/fs.ts";
import type { DemoEndpoint } from "./demo_client.ts";
import { FakeApiServer } from "./fake_api_server.ts";
import { FaultLink } from "./fault_link.ts";
import { seed } from "./seed.ts";
import { Stage } from "./stage.ts";
import { tellStory } from "./story.ts";
import { Timeline } from "./timeline.ts";

/** A running agent; disposing stops it and keeps its state directory. */
export interface DemoAgent extends DemoEndpoint, AsyncDisposable {}

/** What the demo needs from the outside. */
export interface DemoPorts {
  clock: Clock;
  fs: Pick<Fs, "writeAtomic">;
  /** Makes an empty directory (0700). */
  makeTempDir(prefix: string): Promise<string>;
  /** Removes it with all that is in it. */
  removeTempDir(path: string): Promise<void>;
  /** Starts the real agent on a free port, with one identity whose upstream token is in `tokenFile`. */
  startAgent(options: DemoAgentOptions): Promise<DemoAgent>;
  /** Writes text as it is. */
  print(text: string): void;
  /** Whether lines can be rewritten. */
  isTerminal: boolean;
  /** Default: on a terminal. */
  color?: boolean;
  /** Ends the demo early, cleanly. */
  signal?: AbortSignal;
  /** The longest wait for one answer of the agent, ms. Default 8,000. */
  answerLimitMs?: number;
}

/** How the demo wants its agent. */
export interface DemoAgentOptions {
  stateDir: string;
  /** URL of the cloud, by way of the link. */
  server: string;
  caFile: string;
  tokenFile: string;
}

/**
 * Tells the whole story with real requests on this machine: an embedded cloud, a link that fails, the agent,
 * and clients. Exit code: 0 when each step held, 1 otherwise.
 */
export async function runDemo(ports: DemoPorts): Promise<number> {
  const { clock, fs, print, isTerminal, color = isTerminal, answerLimitMs = 8_000 } = ports;
  const signal = ports.signal ?? new AbortController().signal;
  const timeline = new Timeline({ clock, print, isTerminal, color, signal });
  timeline.title(
    "edge-agent demo: a node, its cloud, and the link between them",
    "All of it on this machine: an embedded kube-apiserver, a link that can fail, the real proxy. No cluster, no root; everything is removed at the end.",
  );
  try {
    await using stack = new AsyncDisposableStack();
    const directory = await ports.makeTempDir("edge-agent-demo-");
    stack.defer(() => ports.removeTempDir(directory));
    const token = crypto.randomUUID();
    const ca = await createCa("edge-agent demo cloud");
    const tls = await issueServingCert(ca, ["127.0.0.1"]);
    const cloud = stack.use(await FakeApiServer.start({ tls, tokens: { [token]: "edge" }, clock }));
    seed(cloud);
    const target = { hostname: cloud.hostname, port: cloud.port };
    const link = stack.use(await FaultLink.start({ target, clock }));
    const caFile = `${directory}/cloud-ca.crt`;
    const tokenFile = `${directory}/cloud-token`;
    await fs.writeAtomic(caFile, ca.cert, 0o600);
    await fs.writeAtomic(tokenFile, token, 0o600);
    const server = `https://127.0.0.1:${link.port}`;
    const stateDir = `${directory}/state`;
    const stage = stack.use(
      new Stage({
        clock,
        timeline,
        cloud,
        link,
        answerLimitMs,
        startAgent: () => ports.startAgent({ stateDir, server, caFile, tokenFile }),
      }),
    );
    await tellStory(stage, signal);
  } catch (error) {
    if (!signal.aborted) timeline.line(`The demo could not go on: ${errorMessage(error)}`);
    else timeline.line("Interrupted; everything is cleaned up.");
    return 1;
  }
  return timeline.failed === 0 ? 0 : 1;
}
