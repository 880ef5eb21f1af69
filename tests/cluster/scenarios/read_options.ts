/**
 * Every way to ask for a LIST or a WATCH, and what an answer says, so that two answers can be compared.
 *
 * @module
 */

import { TextLineStream } from "../lines.ts";
import { type FetchPath, type KubeObject, PATIENCE_MS } from "./site.ts";

/** resourceVersions as a client may know them. */
export interface Versions {
  readonly old: string;
  readonly current: string;
}

const FUTURE = "99999999";

function versionsOf({ old, current }: Versions): string[] {
  const numbers = ["0", old, current, FUTURE, `00${current}`, "abc", "-1", ""];
  return ["", ...numbers.map((version) => `resourceVersion=${version}`)];
}

const join = (...parts: string[]) => parts.filter((part) => part !== "").join("&");

/** Queries of lists. */
export function listQueries(versions: Versions): string[] {
  const matches = ["", "Exact", "NotOlderThan", "garbage", "exact"]
    .map((match) => match && `resourceVersionMatch=${match}`);
  const matrix = versionsOf(versions).flatMap((version) =>
    matches.flatMap((match) => ["", "limit=2"].map((limit) => join(version, match, limit)))
  );
  return [
    ...matrix,
    ...["abc", "-1", "", "0", "1.5"].map((limit) => `resourceVersion=0&limit=${limit}`),
    ...["abc", "-1", "", "1"].map((seconds) => `resourceVersion=0&timeoutSeconds=${seconds}`),
    ...["true", "false", ""].map((value) => `resourceVersion=0&sendInitialEvents=${value}`),
    "resourceVersion=0&allowWatchBookmarks=true",
    "resourceVersion=0&watch=false",
    "watch=0",
    "continue=abc",
    "continue=",
    "continue=abc&resourceVersion=0",
    `continue=abc&resourceVersion=${versions.current}`,
    `continue=abc&resourceVersion=${versions.current}&resourceVersionMatch=Exact`,
    "limit=2&labelSelector=tier",
    "resourceVersion=0&labelSelector=tier",
    "resourceVersion=0&labelSelector=tier+in+%28front%29",
    "resourceVersion=0&labelSelector=tier+in+%28front",
    "resourceVersion=0&labelSelector=tier%3E1",
    "resourceVersion=0&labelSelector=tier%3Ex",
    "resourceVersion=0&labelSelector=,",
    "resourceVersion=0&labelSelector=-x",
    "resourceVersion=0&fieldSelector=metadata.name%3Da",
    "resourceVersion=0&fieldSelector=metadata.name%21%3Da,",
    "resourceVersion=0&fieldSelector=metadata.namespace%3Dnone",
    "resourceVersion=0&fieldSelector=spec.x%3Da",
    "resourceVersion=0&fieldSelector=a",
    "resourceVersion=0&fieldSelector=metadata.name%3Da%3Db",
  ];
}

/** Queries of watches that end by themselves. */
export function watchQueries(versions: Versions): string[] {
  const matches = ["", "Exact", "NotOlderThan", "garbage"]
    .map((match) => match && `resourceVersionMatch=${match}`);
  const initials = ["", "sendInitialEvents=true", "sendInitialEvents=false", "sendInitialEvents="];
  const matrix = versionsOf(versions).flatMap((version) =>
    matches.flatMap((match) =>
      initials.flatMap((initial) =>
        ["", "allowWatchBookmarks=true"].map((bookmarks) =>
          join("watch=true", "timeoutSeconds=1", version, match, initial, bookmarks)
        )
      )
    )
  );
  return [
    ...matrix,
    ...["abc", "", "1.5"].map((seconds) => `watch=true&timeoutSeconds=${seconds}`),
    `watch=true&timeoutSeconds=-1&resourceVersion=${versions.current}`,
    "watch=1&timeoutSeconds=1&limit=1",
    "watch=&timeoutSeconds=1&continue=abc",
    `watch=true&timeoutSeconds=1&continue=abc&resourceVersion=${versions.current}`,
    "watch=true&timeoutSeconds=1&fieldSelector=metadata.name%3Db",
    "watch=true&timeoutSeconds=1&resourceVersion=0&fieldSelector=spec.x%3Db",
    "watch=true&timeoutSeconds=1&resourceVersion=0&labelSelector=tier%3Dfront",
    `watch=true&timeoutSeconds=1&resourceVersion=${versions.old}&labelSelector=tier%3Dfront`,
    `watch=true&timeoutSeconds=4&resourceVersion=${versions.old}&allowWatchBookmarks=true`,
  ];
}

/** What an answer says, without what may differ between two servers that know the same. */
export interface Said {
  readonly status: number;
  readonly body: unknown;
}

/** Asks and sums up. */
export async function ask(fetchPath: FetchPath, path: string): Promise<Said> {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const response = await fetchPath(path, { headers: { accept: "application/json" }, signal });
  if (
    response.status === 200 && path.includes("timeoutSeconds=") && /[?&]watch=(?!false)/.test(path)
  ) {
    return { status: 200, body: await framesOf(response) };
  }
  const body = await response.json();
  return { status: response.status, body: body.kind === "Status" ? statusOf(body) : listOf(body) };
}

async function framesOf(response: Response): Promise<string[]> {
  const frames: string[] = [];
  for await (const line of response.body!.pipeThrough(new TextLineStream())) {
    if (line === "") continue;
    const { type, object } = JSON.parse(line);
    const { name = "", resourceVersion, annotations } = object.metadata ?? {};
    const isEnd = annotations?.["k8s.io/initial-events-end"] === "true";
    // When others come is a matter of timing.
    if (type === "BOOKMARK") frames.push(...(isEnd ? ["BOOKMARK of the end"] : []));
    else if (type === "ERROR") frames.push(`ERROR ${JSON.stringify(statusOf(object))}`);
    else frames.push(`${type} ${name}@${resourceVersion}`);
  }
  return frames;
}

function statusOf({ metadata, ...status }: Record<string, unknown>): unknown {
  const message = String(status.message).replace(/current: \d+/, "current: N");
  return { ...status, message, continues: startOf((metadata as KubeObject["metadata"])?.continue) };
}

function listOf({ kind, apiVersion, metadata, items = [] }: KubeObject): unknown {
  return {
    kind,
    apiVersion,
    remaining: metadata.remainingItemCount,
    continues: startOf(metadata.continue),
    names: items.map((item) => `${item.metadata.name}@${item.metadata.resourceVersion}`),
  };
}

/** Where a page ended; the agent's own tokens say it in another way. */
function startOf(token: string | undefined): string | undefined {
  if (token === undefined) return undefined;
  const text = atob(token.replace("edge-agent.", "").replaceAll("-", "+").replaceAll("_", "/"));
  return /([a-z]+)(\\u0000"}|)$/.exec(text)?.[1];
}

/** Runs many at once, but not all. */
export async function eachOf<T>(all: readonly T[], run: (one: T) => Promise<void>): Promise<void> {
  const left = all.values();
  const work = async () => {
    for (const one of left) await run(one);
  };
  await Promise.all(Array.from({ length: 16 }, work));
}
