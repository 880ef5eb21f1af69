import type { ForwardEvent } from "../../src/dns/forward/forward_event.ts";
import { Forwarder, type ForwarderOptions } from "../../src/dns/forward/forwarder.ts";
import type { ForwardQuestion } from "../../src/dns/forward/forward_question.ts";
import { TYPE } from "../../src/dns/wire/record_type.ts";
import { FakeClock } from "./fake_clock.ts";
import { FakeDnsNetwork, type FakeServer } from "./fake_dns_network.ts";

/** A forwarder on a fake network, with a clock that stands still. */
export interface TestForwarder extends Disposable {
  clock: FakeClock;
  network: FakeDnsNetwork;
  forwarder: Forwarder;
  events: ForwardEvent[];
  /** Changes of state: `10.0.0.1:53 up>suspect`. */
  states(): string[];
}

/** A question of type A. */
export const question = (name: string, type: number = TYPE.A): ForwardQuestion => ({
  name,
  type,
  dnssecOk: false,
  checkingDisabled: false,
});

/** Random bytes that repeat with a seed. */
export function seededBytes(seed = 1): (length: number) => Uint8Array {
  let state = seed;
  return (length) =>
    Uint8Array.from({ length }, () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return state >>> 16 & 0xff;
    });
}

/** Starts one whose upstreams are `servers`, by IP address, port 53, in this order. */
export function startForwarder(
  servers: Record<string, FakeServer>,
  options: Partial<ForwarderOptions> & { mixedCase?: boolean } = {},
): TestForwarder {
  const clock = new FakeClock();
  const network = new FakeDnsNetwork(clock);
  const events: ForwardEvent[] = [];
  const forwarder = new Forwarder(options, {
    clock,
    random: seededBytes(),
    jitter: () => 0.5,
    bindUdp: network.bindUdp,
    connect: network.connect,
    notice: (event) => void events.push(event),
    mixedCase: options.mixedCase ?? true,
  });
  for (const [address, server] of Object.entries(servers)) {
    network.servers.set(`${address}:53`, server);
  }
  const upstreams = Object.keys(servers).map((hostname) => ({ hostname, port: 53 }));
  forwarder.configure({ upstreams, stubs: [] });
  return {
    clock,
    network,
    forwarder,
    events,
    states: () =>
      events.flatMap((event) =>
        event.kind === "state" ? [`${event.upstream} ${event.from}>${event.to}`] : []
      ),
    [Symbol.dispose]: () => forwarder[Symbol.dispose](),
  };
}

/** The outcome of a promise, or `pending`. */
export async function stateOf<T extends { state: string }>(
  clock: FakeClock,
  promise: Promise<T>,
): Promise<string> {
  let state = "pending";
  void promise.then((value) => state = value.state);
  await clock.advance(0);
  return state;
}
