import type { Logger } from "@logtape/logtape";
import { formatHostPort } from "../../config/scalars.ts";
import type { Clock } from "../../kernel/clock.ts";
import { errorMessage } from "../../kernel/errors.ts";
import type { Exec } from "../../platform/exec.ts";
import { listenTcp } from "../../platform/tcp.ts";
import { AddressKeeper } from "../address/address_keeper.ts";
import type { DnsRequest, Handled, Next } from "../chain.ts";
import type { DnsConfig } from "../config.ts";
import { createExplainer } from "../explain_question.ts";
import type { DnsMetrics } from "../metrics.ts";
import { formatRcode } from "../wire/rcode.ts";
import { formatType } from "../wire/record_type.ts";
import { isOpenToOthers } from "./open_resolver.ts";
import { createResponder } from "./responder.ts";
import { type Client, TcpServer } from "./tcp_server.ts";
import { serveUdp } from "./udp_server.ts";

/** How often the address is made sure of, ms. */
const VERIFY_MS = 30_000;

/** How often it is tried to listen while that fails, ms: a node is without names. */
const RETRY_MS = 2_000;

/** What listeners work with. */
export interface ListenerPorts {
  clock: Clock;
  exec: Exec;
  logger: Logger;
  metrics: DnsMetrics;
  chain: Next;
}

/** Address and ports of the server: both transports, on an address that is set for it where that is link-local. */
export class Listeners implements AsyncDisposable {
  readonly #config: Pick<DnsConfig, "listen" | "device" | "queryLog">;
  readonly #ports: ListenerPorts;
  readonly #keeper: AddressKeeper | undefined;
  #open: DisposableStack | undefined;
  #port: number;
  #problem: string | undefined;

  constructor(
    config: Pick<DnsConfig, "listen" | "device" | "queryLog">,
    ports: ListenerPorts,
  ) {
    const { listen: { hostname, port }, device } = config;
    this.#config = config;
    this.#ports = ports;
    this.#port = port;
    this.#keeper = isLinkLocal(hostname)
      ? new AddressKeeper({ address: hostname, device }, ports)
      : undefined;
  }

  /** `host:port`. */
  get address(): string {
    return formatHostPort({ hostname: this.#config.listen.hostname, port: this.#port });
  }

  /** The device that the address was set on. */
  get device(): string | undefined {
    return this.#keeper?.device;
  }

  /** Why nobody can ask right now. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /**
   * Sets the address and listens, unless that is so already. What fails is told and is no end: it may be called
   * again at any time.
   */
  async open(): Promise<void> {
    try {
      await this.#keeper?.ensure();
      if (this.#open === undefined) {
        this.#open = this.#listen();
        this.#warn();
      }
      if (this.#problem !== undefined) this.#ports.logger.info("the server is there again");
      this.#problem = undefined;
    } catch (error) {
      const problem = errorMessage(error);
      if (problem !== this.#problem) {
        this.#ports.logger.error("nobody can ask", { error: problem });
      }
      this.#problem = problem;
    }
  }

  /** Makes sure now and then that all is as {@linkcode open} left it, until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#ports.clock.sleep(this.#problem === undefined ? VERIFY_MS : RETRY_MS, signal);
      if (signal.aborted) return;
      await this.open();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#open?.dispose();
    this.#open = undefined;
    await this.#keeper?.[Symbol.asyncDispose]();
  }

  #warn(): void {
    if (!isOpenToOthers(this.#config.listen.hostname)) return;
    this.#ports.logger.warn(
      "an open resolver: keep strangers from its port with a firewall, or let dns.listen be link-local",
      { address: this.address },
    );
  }

  #listen(): DisposableStack {
    const { clock, metrics, chain, logger } = this.#ports;
    const { hostname, port } = this.#config.listen;
    const isHost = ({ address }: Client) =>
      address === hostname || address === "127.0.0.1" || address === "::1";
    const respond = createResponder({
      ...{ chain, clock, metrics },
      explain: createExplainer(chain, isHost),
      ...(this.#config.queryLog && {
        log: (request: DnsRequest, handled: Handled, tookMs: number) =>
          logger.info("query", toLogEntry(request, handled, tookMs)),
      }),
    });
    const stack = new DisposableStack();
    try {
      const server = stack.use(
        new TcpServer(respond, {
          clock,
          events: { opened: metrics.tcpOpened, closed: metrics.tcpClosed },
        }),
      );
      const tcp = stack.use(listenTcp({ hostname, port }, server.accept));
      // Where any port will do, it is the same one.
      stack.use(serveUdp({ hostname, port: tcp.port }, respond));
      this.#port = tcp.port;
      return stack;
    } catch (error) {
      stack.dispose();
      throw error;
    }
  }
}

function toLogEntry(
  { query, client, transport }: DnsRequest,
  { answer, source, why, upstream }: Handled,
  tookMs: number,
): Record<string, unknown> {
  return {
    client: client?.address,
    transport,
    name: query.name,
    type: formatType(query.type),
    rcode: formatRcode(answer.rcode),
    source,
    why,
    upstream,
    tookMs: Math.round(tookMs * 1_000) / 1_000,
  };
}

/** Whether an address means this host alone, and so is set by the agent (RFC 3927; `fe80::` needs a device). */
function isLinkLocal(hostname: string): boolean {
  return /^169\.254\./.test(hostname);
}
