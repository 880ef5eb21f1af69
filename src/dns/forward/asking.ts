import type { Endpoint } from "../../config/scalars.ts";
import { formatHostPort } from "../../config/scalars.ts";
import type { Clock } from "../../kernel/clock.ts";
import type { Message } from "../wire/message.ts";
import type { Notice } from "./forward_event.ts";
import type { ForwardQuestion } from "./forward_question.ts";
import { createOutgoing, type Dialect, isComplaint, type RandomBytes } from "./outgoing_query.ts";
import { type Connect, TcpConnections } from "./tcp_connections.ts";
import { askUdp, type BindUdp } from "./udp_exchange.ts";

/** What asking needs. */
export interface AskingPorts {
  clock: Clock;
  random: RandomBytes;
  bindUdp: BindUdp;
  connect: Connect;
  notice: Notice;
  /** Whether names are spelled at random until an upstream turns out not to keep that. */
  mixedCase: boolean;
}

/** How long an upstream that did not understand EDNS is asked without: it may have been another's packet. */
const PLAIN_MS = 3_600_000;
/**
 * Replies in another spelling, one after the other, after which an upstream without TCP is taken to keep none. Each
 * query has a random id and port of its own, and its true reply comes in the meantime: whoever guesses both three
 * times in a row (2^-96, 2^-48 for one who knows the ports) would have got past the spelling sooner than this.
 */
const RESPELLED_TO_BELIEVE = 3;
/** How long TCP gets to tell before UDP is asked again, ms: some upstreams drop what comes to that port. */
const TCP_OR_UDP_MS = 1_000;

/** A reply and how it came. */
export interface Asked {
  message: Message;
  transport: "udp" | "tcp";
}

/** Asks one upstream in the way that it understands. */
export class Asking implements Disposable {
  readonly #address: Endpoint;
  readonly #ports: AskingPorts;
  #mixedCase: boolean;
  /** Monotonic ms until which it is asked without EDNS. */
  #plainUntilMs = -Infinity;
  readonly #tcp: TcpConnections;
  readonly #ignored: (why: string) => void;

  constructor(address: Endpoint, ports: AskingPorts) {
    const upstream = formatHostPort(address);
    this.#address = address;
    this.#ports = ports;
    this.#mixedCase = ports.mixedCase;
    this.#tcp = new TcpConnections(address, ports);
    this.#ignored = (why) => ports.notice({ kind: "ignored", upstream, why });
  }

  /**
   * Asks until `signal` aborts: over UDP, then over TCP if UDP can't tell. What looks as if EDNS was not
   * understood is asked again without it.
   *
   * @param onUdp something came that only the upstream can have sent, after so many ms
   * @throws what the network says, or the signal's reason
   */
  async ask(
    question: ForwardQuestion,
    signal: AbortSignal,
    onUdp: (ms: number) => void,
  ): Promise<Asked> {
    const { clock } = this.#ports;
    const edns = clock.monotonic() >= this.#plainUntilMs;
    const asked = await this.#askSpelled(question, edns, signal, onUdp);
    if (asked !== undefined && !(edns && isComplaint(asked.message))) return asked;
    const plain = await this.#askSpelled(question, false, signal, onUdp);
    if (plain === undefined) throw new Error("it does not understand a query");
    // If it complains about that too, EDNS was not the reason.
    if (!isComplaint(plain.message)) this.#plainUntilMs = clock.monotonic() + PLAIN_MS;
    return plain;
  }

  [Symbol.dispose](): void {
    this.#tcp[Symbol.dispose]();
  }

  /**
   * Asks in mixed case until it turns out that the upstream does not keep that. Undefined for one that does not
   * understand the query.
   */
  async #askSpelled(
    question: ForwardQuestion,
    edns: boolean,
    signal: AbortSignal,
    onUdp: (ms: number) => void,
  ): Promise<Asked | undefined> {
    const { clock, random, bindUdp } = this.#ports;
    const ports = { bindUdp, ignored: this.#ignored };
    for (let respelled = 1; respelled <= RESPELLED_TO_BELIEVE + 1; respelled++) {
      const dialect = { edns, mixedCase: this.#mixedCase };
      const outgoing = createOutgoing(question, dialect, random);
      const startMs = clock.monotonic();
      const reply = await askUdp(this.#address, outgoing, ports, signal);
      onUdp(clock.monotonic() - startMs);
      if (reply.state === "reply") return { message: reply.message, transport: "udp" };
      if (reply.state === "not-understood") return undefined;
      if (reply.why !== "respelled") return await this.#askTcp(question, dialect, signal);
      // Whether it is the upstream that spells otherwise, TCP tells, where nobody can guess. Many home routers
      // have none (RFC 5625 4.4): another query tells whether the last reply was somebody's lucky guess.
      if (respelled === 1) {
        const asked = await this.#tryTcp(question, dialect, signal);
        if (asked.state === "asked") return asked.asked;
      }
      if (respelled === RESPELLED_TO_BELIEVE) this.#mixedCase = false;
    }
    throw new Error("its answers spell names otherwise");
  }

  /** Asks over TCP, but not for long: `failed` when that does not work while `signal` lets it. */
  async #tryTcp(
    question: ForwardQuestion,
    dialect: Dialect,
    signal: AbortSignal,
  ): Promise<{ state: "asked"; asked: Asked | undefined } | { state: "failed" }> {
    const late = new AbortController();
    const cancel = this.#ports.clock.timer(
      TCP_OR_UDP_MS,
      () => late.abort(new Error("no answer in time")),
    );
    try {
      const either = AbortSignal.any([signal, late.signal]);
      return { state: "asked", asked: await this.#askTcp(question, dialect, either) };
    } catch {
      signal.throwIfAborted();
      return { state: "failed" };
    } finally {
      cancel();
    }
  }

  async #askTcp(
    question: ForwardQuestion,
    dialect: Dialect,
    signal: AbortSignal,
  ): Promise<Asked | undefined> {
    const outgoing = createOutgoing(question, dialect, this.#ports.random);
    const match = await this.#tcp.ask(outgoing, signal).catch((cause) => {
      signal.throwIfAborted();
      throw new Error("TCP", { cause });
    });
    switch (match.state) {
      case "not-understood":
        return undefined;
      case "cut":
        throw new Error("TCP: its answer can not be read");
      case "respelled":
        this.#mixedCase = false;
        break;
      case "reply":
        break;
      default:
        return match satisfies never;
    }
    return { message: match.message, transport: "tcp" };
  }
}
