import type { Clock } from "../kernel/clock.ts";
import { errorMessage } from "../kernel/errors.ts";
import { toAnswer } from "../kube/answer.ts";
import { parseJson } from "../kube/codec/json.ts";
import type { ProxyConfig } from "./config.ts";
import type { Forwarder } from "./upstream/forward.ts";
import type { Caller } from "./identity/identity.ts";
import { discoveryKey, hashKey, type KeptAnswers } from "./store/kept.ts";
import type { CloudLink } from "./link/cloud_link.ts";

/** What prefetching works with. */
export interface PrefetchOptions {
  extent: ProxyConfig["prefetch"];
  /** On whose behalf. */
  caller: Caller;
  forwarder: Pick<Forwarder, "read">;
  kept: KeptAnswers;
  link: Pick<CloudLink, "isOpen" | "decided" | "pause">;
  clock: Clock;
  /** Called once per round with the number of documents that were new. */
  fetched(documents: number): void;
  failed(message: string): void;
  /** Aborts when what was kept is gone, or the caller's credential is another: it is tried again at once. */
  anew(): AbortSignal;
}

/** As kubectl and client-go ask for discovery (KEP-3352), and as older clients do. */
const AGGREGATED =
  "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
const PLAIN = "application/json";

const DAY_MS = 24 * 3_600_000;
const RECHECK_MS = 3_600_000;
const RETRY_MS = 60_000;
/** Until what did not come is tried again: a server that just starts may refuse for a while. */
const INCOMPLETE_MS = 600_000;
const MAX_DOCUMENT_BYTES = 32 * 1024 * 1024;

/**
 * Fetches what clients need to start without a link, one document after the other: at the first link, once
 * a day, and when the API server's version changed. Works until `signal` aborts.
 */
export async function prefetch(options: PrefetchOptions, signal: AbortSignal): Promise<void> {
  const { extent, clock, link, fetched, failed } = options;
  if (extent === "off") return;
  while (!signal.aborted) {
    await link.decided(signal);
    await link.pause(0, signal);
    if (signal.aborted) return;
    let waitMs = RECHECK_MS;
    const anew = options.anew();
    try {
      const { documents, whole } = await round(options, signal);
      if (documents > 0) fetched(documents);
      if (!whole) waitMs = INCOMPLETE_MS;
    } catch (error) {
      if (signal.aborted) return;
      failed(errorMessage(error));
      waitMs = RETRY_MS;
    }
    await clock.sleep(waitMs, AbortSignal.any([signal, anew]));
  }
}

/** Everything that is missing or old; the number of documents that came, and whether all did. */
async function round(
  options: PrefetchOptions,
  signal: AbortSignal,
): Promise<{ documents: number; whole: boolean }> {
  const { kept, clock, extent } = options;
  const before = kept.get(discoveryKey("/version", PLAIN));
  const version = await fetchDocument(options, "/version", PLAIN, signal);
  const changed = before === undefined || text(before.body) !== text(version);
  let documents = 0;
  let whole = true;
  const tryFetch = async (path: string, accept: string, search = "") => {
    const body = await fetchDocument(options, path, accept, signal, search).catch((error) => {
      if (signal.aborted || !options.link.isOpen) throw error;
      // One group whose aggregated server is away must not keep the others from being fetched.
      whole = false;
      return undefined;
    });
    if (body !== undefined) documents++;
    return body;
  };
  const take = async (path: string, accept: string): Promise<Uint8Array | undefined> => {
    const known = kept.get(discoveryKey(path, accept));
    if (known !== undefined && !changed && clock.now() - known.atMs < DAY_MS) return known.body;
    return await tryFetch(path, accept);
  };
  await take("/api", AGGREGATED);
  await take("/apis", AGGREGATED);
  await take("/api", PLAIN);
  for (const path of groupPaths(await take("/apis", PLAIN))) await take(path, PLAIN);
  if (extent === "openapi") {
    const index = parse(await take("/openapi/v3", PLAIN)) as {
      paths?: Record<string, { serverRelativeURL?: string }>;
    };
    for (const { serverRelativeURL = "" } of Object.values(index.paths ?? {})) {
      const [path = "", search = ""] = serverRelativeURL.split("?");
      // The hash in the URL changes with the document: while it is the one from before, so is that.
      const known = kept.get(hashKey(path))?.headers.etag;
      if (!path.startsWith("/openapi/") || known === search) continue;
      const body = await tryFetch(path, PLAIN, search);
      if (body === undefined) continue;
      const mark = { status: 204, headers: { etag: search }, body: body.subarray(0, 0) };
      kept.keep(hashKey(path), mark);
    }
  }
  return { documents, whole };
}

/** `/api/v1` and every `/apis/<group>/<version>`. */
function groupPaths(apis: Uint8Array | undefined): string[] {
  const groups = parse(apis) as { groups?: { versions?: { groupVersion?: string }[] }[] };
  const versions = (groups.groups ?? []).flatMap((group) => group.versions ?? []);
  return ["/api/v1", ...versions.map(({ groupVersion }) => `/apis/${groupVersion}`)];
}

async function fetchDocument(
  { forwarder, kept, caller }: PrefetchOptions,
  path: string,
  accept: string,
  signal: AbortSignal,
  search = "",
): Promise<Uint8Array> {
  const response = await forwarder.read({
    method: "GET",
    path,
    query: new URLSearchParams(search),
    headers: new Headers({ accept, "user-agent": "edge-agent" }),
    info: { kind: "non-resource", method: "GET", path },
    caller,
    signal,
    readBody: () => Promise.resolve(undefined),
  }, { purpose: "list" });
  const answer = await toAnswer(response, signal, MAX_DOCUMENT_BYTES);
  if (answer.status !== 200) throw new Error(`GET ${path} was answered ${answer.status}`);
  kept.keep(discoveryKey(path, accept), answer);
  return answer.body;
}

function parse(body: Uint8Array | undefined): unknown {
  return body === undefined ? {} : parseJson(body);
}

function text(body: Uint8Array): string {
  return new TextDecoder().decode(body);
}
