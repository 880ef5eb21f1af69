import { Backoff } from "../../kernel/backoff.ts";
import type { Clock } from "../../kernel/clock.ts";
import { errorMessage } from "../../kernel/errors.ts";
import { abortable } from "../../kube/body.ts";
import { parseJson } from "../../kube/codec/json.ts";
import { compareResourceVersions, newerResourceVersion } from "../../kube/resource_version.ts";
import type { KeptAnswers } from "../store/kept.ts";
import { UnreachableError } from "../upstream/upstream.ts";
import {
  type CloudFacts,
  judge,
  type KnownCloud,
  learn,
  QUESTIONS,
  readFacts,
  type Verdict,
} from "./cloud_facts.ts";
import type { CloudLink } from "./cloud_link.ts";

/** Asks the cloud a question: the body of a 200, undefined when one may not ask. */
export type AskCloud = (path: string, signal: AbortSignal) => Promise<Uint8Array | undefined>;

/** What the check works with. */
export interface CloudIdentityOptions {
  link: Pick<CloudLink, "isOpen" | "pause" | "subscribe">;
  clock: Clock;
  random: () => number;
  kept: KeptAnswers;
  /** One for each identity, tried in this order. */
  ask: readonly AskCloud[];
  /** Versions up to which the cluster's own objects are known. */
  versions(): string[];
  /** Carries the consequences out; what was stored of another cluster must be gone when it returns. */
  changed(verdict: "restored" | "replaced", found: CloudFacts, forgottenTo: string): void;
  failed(message: string): void;
}

/** Key of what is known, and of nothing else. */
const KEY = "cloud";

/** So often may the questions fail before the agent goes on without an answer. */
const MAX_FAILURES = 3;

/**
 * Finds out at every connect whether the cloud is still the one that the state is of. Until then nothing
 * is mirrored: a watch resumed in another cluster, or in an older state of the same, would be told
 * nonsense, or nothing at all.
 */
export class CloudIdentity {
  readonly #options: CloudIdentityOptions;
  #known: KnownCloud | undefined;
  /** Resolved while the cloud is known to be the one. */
  #gate = Promise.withResolvers<void>();
  #isOpen = false;
  #replacements = 0;
  /** How often there was doubt. */
  #doubts = 0;
  #doubted = () => {};

  constructor(options: CloudIdentityOptions) {
    this.#options = options;
    const stored = options.kept.get(KEY);
    if (stored !== undefined) this.#known = parseJson(stored.body) as KnownCloud;
  }

  /** See {@linkcode KnownCloud.forgottenTo}. */
  get forgottenTo(): string {
    return this.#known?.forgottenTo ?? "";
  }

  /** How often the cloud was found to be another cluster. */
  get replacements(): number {
    return this.#replacements;
  }

  /** Resolves when the cloud was checked, or is away, or when `signal` aborts. */
  async verified(signal: AbortSignal): Promise<void> {
    if (this.#isOpen || !this.#options.link.isOpen || signal.aborted) return;
    await abortable(this.#gate.promise, signal).catch(() => {});
  }

  /** Connections broke: who answers next may be somebody else. */
  doubt(): void {
    if (this.#isOpen) {
      this.#isOpen = false;
      this.#gate = Promise.withResolvers();
    }
    this.#doubts++;
    this.#doubted();
  }

  /** Checks whenever there is doubt, until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { link, clock, random } = this.#options;
    const unsubscribe = link.subscribe(({ state }) => {
      if (state !== "down" && state !== "rejected") return;
      this.doubt();
      // Nobody needs to wait for what can't be sent anyway.
      this.#gate.resolve();
      this.#gate = Promise.withResolvers();
    });
    const backoff = new Backoff(clock, { random });
    let waitMs = 0;
    /** Answers in a row that told nothing. */
    let failures = 0;
    while (!signal.aborted) {
      await link.pause(waitMs, signal);
      if (signal.aborted) break;
      const doubts = this.#doubts;
      const doubted = new Promise<void>((resolve) => this.#doubted = resolve);
      // Before the cloud is asked: watches that live bring what is newer than its answer.
      const newest = this.#newestVersion();
      try {
        const found = await this.#find(signal);
        waitMs = 0;
        // Whoever answered may not be who is asked from now on.
        if (doubts !== this.#doubts) continue;
        this.#settle(found, newest);
      } catch (error) {
        if (signal.aborted) break;
        waitMs = backoff.next();
        if (error instanceof UnreachableError && !error.answered) continue;
        if (++failures === 1) this.#options.failed(errorMessage(error));
        // An ailing server must not keep the node without its API for ever.
        if (failures >= MAX_FAILURES) this.#open();
        continue;
      }
      backoff.reset();
      failures = 0;
      this.#open();
      await abortable(doubted, signal).catch(() => {});
    }
    unsubscribe();
    this.#open();
  }

  #open(): void {
    this.#isOpen = true;
    this.#gate.resolve();
  }

  /** Asks until something can be compared with what is known, or nobody is left to be asked. */
  async #find(signal: AbortSignal): Promise<CloudFacts> {
    let found: CloudFacts = { resourceVersion: "" };
    for (const { fact, path } of QUESTIONS) {
      for (const ask of this.#options.ask) {
        const body = await ask(path, signal);
        if (body === undefined) continue;
        const facts = readFacts(fact, body);
        if (facts[fact] === undefined && this.#known?.[fact] !== undefined) {
          throw new Error(`the cluster does not have what tells it from others yet (${path})`);
        }
        found = { ...found, ...facts };
        break;
      }
      const known = this.#known;
      const comparable = found[fact] !== undefined && (!known?.serviceUid || known[fact]);
      if (comparable) break;
    }
    return found;
  }

  #newestVersion(): string {
    const last = this.#known?.resourceVersion ?? "";
    return this.#options.versions()
      // Given up at an earlier check, and not listed anew yet.
      .filter((version) =>
        compareResourceVersions(version, this.forgottenTo) > 0 ||
        compareResourceVersions(version, last) <= 0
      )
      .reduce(newerResourceVersion, last);
  }

  /** @param newest version that was known when the cloud was asked */
  #settle(found: CloudFacts, newest: string): void {
    const { kept, changed } = this.#options;
    const verdict: Verdict = judge(this.#known, found, newest);
    this.#known = learn(this.#known, found, verdict, this.#newestVersion());
    if (verdict === "replaced") this.#replacements++;
    if (verdict === "restored" || verdict === "replaced") {
      changed(verdict, found, this.#known.forgottenTo);
    }
    const body = new TextEncoder().encode(JSON.stringify(this.#known));
    kept.keep(KEY, { status: 200, headers: {}, body });
  }
}
