import type { Clock } from "../kernel/clock.ts";
import { DemoClient, type DemoEndpoint } from "./demo_client.ts";
import type { FakeApiServer } from "./fake_api_server.ts";
import type { FaultLink } from "./fault_link.ts";
import { Follower } from "./follower.ts";
import { FOLLOWED } from "./seed.ts";
import type { Timeline } from "./timeline.ts";

/** What a story is told with. */
export interface StageParts {
  clock: Clock;
  timeline: Timeline;
  cloud: FakeApiServer;
  link: FaultLink;
  /** Starts the agent, each time on the same state directory. */
  startAgent(): Promise<DemoEndpoint & AsyncDisposable>;
  /** The longest wait for one answer of the agent, ms. */
  answerLimitMs: number;
}

/** Measured on the way; what is absent was not reached. */
export interface Figures {
  cachedObjects?: number;
  firstAnswerMs?: number;
  laterAnswersMs?: number[];
  afterRestartMs?: number;
  changeMs?: number;
  differenceMs?: number;
  relists?: number;
  bytesFirstSync?: number;
  bytesAfterReturn?: number;
}

/** The cast of the demo and what it has seen so far. */
export class Stage implements AsyncDisposable {
  readonly parts: StageParts;
  /** The watches that a node's programs hold, one per collection. */
  readonly followers: Follower[];
  readonly figures: Figures = {};
  /** Answers got while the link was up, by path. */
  readonly documents = new Map<string, string>();
  readonly #clients = new Set<DemoClient>();
  #agent: (DemoEndpoint & AsyncDisposable) | undefined;

  constructor(parts: StageParts) {
    this.parts = parts;
    this.followers = FOLLOWED.map(({ path }) => new Follower(path, parts.clock));
  }

  /** The watch of pods, on which things happen. */
  get pods(): Follower {
    return this.followers[0]!;
  }

  /** Starts the agent; one that runs is stopped first. Returns where it serves. */
  async startAgent(): Promise<string> {
    await this.stopAgent();
    this.#agent = await this.parts.startAgent();
    return this.#agent.url;
  }

  async stopAgent(): Promise<void> {
    const agent = this.#agent;
    this.#agent = undefined;
    await agent?.[Symbol.asyncDispose]();
  }

  /** A new client of the agent that runs now, with connections of its own. */
  client(userAgent: string): DemoClient {
    if (this.#agent === undefined) throw new Error("the agent does not run");
    const { clock, answerLimitMs: limitMs } = this.parts;
    const client = new DemoClient(this.#agent, { userAgent, clock, limitMs });
    this.#clients.add(client);
    return client;
  }

  /** Ends all that clients wait for. */
  async hangUp(): Promise<void> {
    for (const client of this.#clients) client[Symbol.dispose]();
    this.#clients.clear();
    await Promise.all(this.followers.map((follower) => follower.close()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.hangUp();
    await this.stopAgent();
  }
}
