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
   * @param onUdp something came that only the upstream can have sent
   * @throws what the network says, or the signal's reason
   */
  async ask(question: ForwardQuestion, signal: AbortSignal, onUdp: () => void): Promise<Asked> {
    const { clock } = this.#ports;
    const dialect = {
      edns: clock.monotonic() >= this.#plainUntilMs,
      mixedCase: this.#mixedCase,
    };
    const asked = await this.#askOnce(question, dialect, signal, onUdp);
    if (asked !== undefined && !(dialect.edns && isComplaint(asked.message))) return asked;
    const plain = await this.#askOnce(question, { ...dialect, edns: false }, signal, onUdp);
    if (plain === undefined) throw new Error("it does not understand a query");
    // If it complains about that too, EDNS was not the reason.
    if (!isComplaint(plain.message)) this.#plainUntilMs = clock.monotonic() + PLAIN_MS;
    return plain;
  }

  [Symbol.dispose](): void {
    this.#tcp[Symbol.dispose]();
  }

  /** Undefined for an upstream that does not understand the query. */
  async #askOnce(
    question: ForwardQuestion,
    dialect: Dialect,
    signal: AbortSignal,
    onUdp: () => void,
  ): Promise<Asked | undefined> {
    const { random, bindUdp } = this.#ports;
    const outgoing = createOutgoing(question, dialect, random);
    const ports = { bindUdp, ignored: this.#ignored };
    const reply = await askUdp(this.#address, outgoing, ports, signal);
    onUdp();
    switch (reply.state) {
      case "reply":
        return { message: reply.message, transport: "udp" };
      case "not-understood":
        return undefined;
      case "use-tcp": {
        const match = await this.#tcp.ask(createOutgoing(question, dialect, random), signal);
        if (match.state === "not-understood") return undefined;
        // Over TCP nobody can guess, so it is the upstream itself that spells in another way.
        if (match.state === "respelled") this.#mixedCase = false;
        return { message: match.message, transport: "tcp" };
      }
      default:
        return reply satisfies never;
    }
  }
}
