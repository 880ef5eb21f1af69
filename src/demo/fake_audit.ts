import type { Clock } from "../kernel/clock.ts";

/** One request that the fake saw. */
export interface AuditEntry {
  id: string;
  /** Monotonic ms of its arrival. */
  atMs: number;
  method: string;
  /** Path and query. */
  url: string;
  /** `list`, `watch`, `get`, `create`, `update`, `patch`, `delete`, or `nonresource`. */
  verb: string;
  /** Plural and group, `leases.coordination.k8s.io`; empty for a non-resource request. */
  resource: string;
  user: string;
  userAgent: string;
  /** Of the answer; undefined while there is none. */
  code?: number;
  /** Body bytes sent so far. */
  bytes: number;
}

/** What the fake was asked, in order of arrival. */
export class FakeAudit {
  readonly entries: AuditEntry[] = [];
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** LIST requests, each page one. */
  get lists(): number {
    return this.count({ verb: "list" });
  }

  /** WATCH requests. */
  get watches(): number {
    return this.count({ verb: "watch" });
  }

  /**
   * How often a whole collection was asked for: lists (pages after the first and `limit=1` looks not counted)
   * and watches that begin with all objects.
   */
  get relists(): number {
    return this.entries.filter(({ verb, url }) => {
      const query = new URL(url, "http://localhost").searchParams;
      if (verb === "list") return !query.has("continue") && query.get("limit") !== "1";
      if (verb !== "watch") return false;
      return query.get("sendInitialEvents") === "true" ||
        ["", "0"].includes(query.get("resourceVersion") ?? "");
    }).length;
  }

  /** Requests whose entry has all of the given values. */
  count(like: Partial<AuditEntry>): number {
    const wanted = Object.entries(like) as [keyof AuditEntry, unknown][];
    return this.entries.filter((entry) => wanted.every(([key, value]) => entry[key] === value))
      .length;
  }

  clear(): void {
    this.entries.length = 0;
  }

  /** Notes a request; the fake fills in the outcome. */
  add(seen: Omit<AuditEntry, "id" | "atMs" | "bytes">): AuditEntry {
    const entry = { id: crypto.randomUUID(), atMs: this.#clock.monotonic(), ...seen, bytes: 0 };
    this.entries.push(entry);
    return entry;
  }
}
