/**
 * A name server of a few addresses, for what is outside of the cluster.
 *
 * @module
 */

import { createMessage, decodeMessage, encodeMessage } from "../../../src/dns/wire/message.ts";
import { RCODE } from "../../../src/dns/wire/rcode.ts";
import { CLASS_IN, TYPE } from "../../../src/dns/wire/record_type.ts";

/** Answers A questions over UDP until it is disposed. */
export class StubDnsServer implements Disposable {
  readonly port: number;
  readonly #socket: Deno.DatagramConn;

  private constructor(socket: Deno.DatagramConn) {
    this.#socket = socket;
    this.port = (socket.addr as Deno.NetAddr).port;
  }

  /** @param addresses by name; other names don't exist */
  static start(addresses: Readonly<Record<string, string>>, ttlSeconds: number): StubDnsServer {
    const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
    void serve(socket, addresses, ttlSeconds);
    return new StubDnsServer(socket);
  }

  [Symbol.dispose](): void {
    try {
      this.#socket.close();
    } catch {
      // Closed before.
    }
  }
}

async function serve(
  socket: Deno.DatagramConn,
  addresses: Readonly<Record<string, string>>,
  ttlSeconds: number,
): Promise<void> {
  for await (const [packet, from] of socket) {
    const { id, questions } = decodeMessage(packet);
    const question = questions[0]!;
    const address = addresses[question.name.toLowerCase()];
    const answers = address === undefined || question.type !== TYPE.A ? [] : [{
      name: question.name,
      type: TYPE.A,
      class: CLASS_IN,
      ttlSeconds,
      data: { kind: "address" as const, address },
    }];
    const rcode = address === undefined && question.name !== "" ? RCODE.NXDOMAIN : RCODE.NOERROR;
    const reply = createMessage({ id, response: true, rcode, questions, answers });
    await socket.send(encodeMessage(reply), from).catch(() => {});
  }
}
