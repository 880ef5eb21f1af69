import type { Clock } from "../../kernel/clock.ts";
import { toAnswer } from "../../kube/answer.ts";
import { parseJson } from "../../kube/codec/json.ts";
import type { Caller } from "../identity/identity.ts";
import type { KeptAnswers } from "../store/kept.ts";
import type { Forwarder } from "../upstream/forward.ts";
import type { CloudLink } from "./cloud_link.ts";

/** What learning works with. */
export interface LearnOptions {
  /** Who asks the cloud. */
  caller: Caller;
  forwarder: Pick<Forwarder, "read">;
  link: Pick<CloudLink, "decided" | "pause">;
  kept: Pick<KeptAnswers, "keep">;
  clock: Clock;
  /** Aborts when who asks, or who is asked, is another: it is asked again at once. */
  anew(): AbortSignal;
  /** Told of every address, again and again. */
  learned(url: string): void;
}

const KEY = "learned-servers";
/** The object in which the API servers themselves write down their addresses. */
const PATH = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes";
/** Servers move rarely. */
const ASK_AGAIN_MS = 6 * 3_600_000;
const RETRY_MS = 600_000;
/** A cluster has 3 to 5; and what comes from outside is bounded. */
const MAX_LEARNED = 8;
const MAX_BYTES = 256 * 1024;

/** The addresses that were learned before, as URLs. */
export function recallServers(kept: Pick<KeptAnswers, "get">): string[] {
  const body = kept.get(KEY)?.body;
  if (body === undefined) return [];
  try {
    const urls = parseJson(body);
    return Array.isArray(urls) ? urls.map(String).filter(isUrl).slice(0, MAX_LEARNED) : [];
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}

/**
 * Asks the cluster where its servers are, when the link is up and a few times a day, and keeps the answer. One that
 * may not ask (403) learns nothing, which is no failure. Works until `signal` aborts.
 */
export async function learnServers(options: LearnOptions, signal: AbortSignal): Promise<void> {
  const { link, kept, clock, learned } = options;
  while (!signal.aborted) {
    await link.decided(signal);
    await link.pause(0, signal);
    if (signal.aborted) return;
    let waitMs = RETRY_MS;
    const anew = options.anew();
    try {
      const urls = await ask(options, signal);
      if (urls !== undefined) {
        if (urls.length > 0) {
          const body = new TextEncoder().encode(JSON.stringify(urls));
          kept.keep(KEY, { status: 200, headers: {}, body });
          for (const url of urls) learned(url);
        }
        waitMs = ASK_AGAIN_MS;
      }
    } catch {
      // The link broke, or what came is no list: it is asked again.
      if (signal.aborted) return;
    }
    await clock.sleep(waitMs, AbortSignal.any([signal, anew]));
  }
}

/** The servers' URLs; empty if it may not be asked for, undefined if the server is busy. */
async function ask(
  { forwarder, caller }: LearnOptions,
  signal: AbortSignal,
): Promise<string[] | undefined> {
  const response = await forwarder.read({
    method: "GET",
    path: PATH,
    query: new URLSearchParams(),
    headers: new Headers({ accept: "application/json", "user-agent": "edge-agent" }),
    info: { kind: "non-resource", method: "GET", path: PATH },
    caller,
    signal,
    readBody: () => Promise.resolve(undefined),
  }, { purpose: "short" });
  const { status, body } = await toAnswer(response, signal, MAX_BYTES);
  if (status === 200) return parseServers(body);
  return status >= 500 || status === 429 ? undefined : [];
}

/** The ready addresses in an EndpointSlice as `https://` URLs. @throws {SyntaxError} */
export function parseServers(body: Uint8Array): string[] {
  const slice = parseJson(body) as {
    ports?: { name?: string; port?: number }[];
    endpoints?: { addresses?: string[]; conditions?: { ready?: boolean } }[];
  } | null;
  const port = asArray(slice?.ports).find(({ name }) => name === "https")?.port;
  const urls = new Set<string>();
  for (const { addresses, conditions } of asArray(slice?.endpoints)) {
    if (conditions?.ready === false) continue;
    for (const address of asArray(addresses)) {
      const host = String(address).includes(":") ? `[${address}]` : String(address);
      const url = `https://${host}:${port}`;
      if (isUrl(url)) urls.add(url);
    }
  }
  return [...urls].slice(0, MAX_LEARNED);
}

/** What comes from outside is only ever an address and a port: nothing that leads to a path or a name. */
function isUrl(url: string): boolean {
  const match = /^https:\/\/(\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:.]+\]):(\d{1,5})$/.exec(url);
  return match !== null && URL.canParse(url) && Number(match[2]) > 0;
}

function asArray<T>(value: T[] | undefined): T[] {
  return Array.isArray(value) ? value.filter((each) => each !== null && each !== undefined) : [];
}
