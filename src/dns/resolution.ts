import type { Logger } from "@logtape/logtape";
import type { Clock } from "../kernel/clock.ts";
import { dial } from "../platform/dial.ts";
import type { Fs } from "../platform/fs.ts";
import { bindUdp } from "../platform/udp.ts";
import { AnswerCache } from "./cache/answer_cache.ts";
import { TTL_BOUNDS } from "./cache/answer_ttl.ts";
import { CacheHandler } from "./cache/cache_handler.ts";
import { CacheKeeper, type KeeperEvent } from "./cache/cache_keeper.ts";
import { createChain, type Next } from "./chain.ts";
import { ClusterHandler } from "./cluster_handler.ts";
import type { DnsConfig } from "./config.ts";
import type { ForwardEvent } from "./forward/forward_event.ts";
import { ForwardHandler } from "./forward/forward_handler.ts";
import { Forwarder } from "./forward/forwarder.ts";
import type { Connect } from "./forward/tcp_connections.ts";
import type { BindUdp } from "./forward/udp_exchange.ts";
import type { DnsMetrics } from "./metrics.ts";
import { type PodOfAddress, SearchHandler } from "./search/search_handler.ts";
import type { ClusterZone } from "./zone/cluster_zone.ts";

/** What answers are found with. */
export interface ResolutionPorts {
  clock: Clock;
  fs: Fs;
  logger: Logger;
  metrics: DnsMetrics;
  zone: ClusterZone;
  /** Unforeseeable bytes. */
  randomBytes: (length: number) => Uint8Array;
  /** 0 to 1 exclusive, for jitter. */
  random: () => number;
  /** The pod of this node that has an address of its own and the usual search path. */
  podOf: (address: string) => PodOfAddress | undefined;
  /** The search list of the kubelet's `resolvConf`. */
  hostDomains: () => readonly string[];
  /** Where the cache is kept over a restart. */
  cachePath: string;
  /** The way to name servers; that of the host unless set. */
  network?: { bindUdp: BindUdp; connect: Connect };
}

/** How long the cache may differ from its file while the agent runs, ms: flash wears out by being written. */
const SAVE_EVERY_MS = 600_000;

/** All that answers a question, in order. */
export interface Resolution extends Disposable {
  readonly chain: Next;
  readonly forwarder: Forwarder;
  readonly cache: AnswerCache;
  readonly keeper: CacheKeeper;
  /** The network may be back: nothing is held against anybody. */
  hurry(): void;
  /** The network may be gone: that is found out before anybody has to wait for it. */
  doubt(): void;
}

/** Puts the handlers together; nothing is opened before the first question. */
export function createResolution(config: DnsConfig, ports: ResolutionPorts): Resolution {
  const { clock, fs, zone, podOf, hostDomains, random, randomBytes, logger, metrics } = ports;
  const { maxConcurrent, deadline } = config.forward;
  const { maxBytes, maxStale, maxTtl, maxNegativeTtl } = config.cache;
  const { network = { bindUdp, connect: dial } } = ports;
  const forwarder = new Forwarder({ maxConcurrent, deadlineMs: deadline }, {
    ...{ ...network, clock, jitter: random, random: randomBytes, mixedCase: true },
    notice: (event) => {
      // Who was only suspected could be asked all the time: what failed then is a matter of the name.
      const isBack = event.kind === "state" && event.to === "up" && event.from !== "suspect";
      if (isBack) cache.forgetFailures();
      noticeForward(event, logger, metrics);
    },
  });
  const ttl = {
    ...TTL_BOUNDS,
    maxPositive: maxTtl / 1_000,
    maxNegative: maxNegativeTtl / 1_000,
  };
  const cache = new AnswerCache({ maxBytes, maxStaleMs: maxStale, ttl }, clock);
  const keeper = new CacheKeeper(cache, ports.cachePath, SAVE_EVERY_MS, {
    ...{ clock, fs },
    notice: (event) => noticeKeeper(event, logger),
  });
  const chain = createChain([
    // Before the zone: it makes other answers of the zone's.
    ...(config.search ? [new SearchHandler({ zone: zone.options.zone, hostDomains, podOf })] : []),
    // The cluster's names are nobody else's, and need no cache.
    new ClusterHandler(zone),
    new CacheHandler(cache, clock),
    new ForwardHandler(forwarder),
  ]);
  return {
    ...{ chain, forwarder, cache, keeper },
    hurry() {
      cache.forgetFailures();
      forwarder.hurry();
    },
    doubt: () => forwarder.doubt(),
    [Symbol.dispose]: () => forwarder[Symbol.dispose](),
  };
}

function noticeForward(event: ForwardEvent, logger: Logger, metrics: DnsMetrics): void {
  metrics.forwarded(event);
  if (event.kind !== "state") return;
  const { upstream, zone, from, to } = event;
  const data = { upstream, ...(zone !== "" && { zone }), from, to };
  switch (to) {
    case "looping":
      return logger.warn("a name server asks this one: it is left out for now", data);
    case "down":
      return logger.warn("a name server can not be reached", data);
    // A suspicion comes with every name that is slow, and goes with the next probe.
    case "suspect":
      return logger.debug("a name server owes an answer", data);
    case "up":
      return from === "suspect"
        ? logger.debug("a name server answers again", data)
        : logger.info("a name server can be asked again", data);
    default:
      return to satisfies never;
  }
}

function noticeKeeper(event: KeeperEvent, logger: Logger): void {
  switch (event.kind) {
    case "loaded":
      return logger.debug("kept answers read", { entries: event.entries });
    case "saved":
      return logger.debug("answers kept", { entries: event.entries, bytes: event.bytes });
    case "unusable":
      return logger.warn("kept answers can not be used", { error: event.why });
    case "not-saved":
      return logger.warn("answers can not be kept", { error: event.why });
    default:
      return event satisfies never;
  }
}
