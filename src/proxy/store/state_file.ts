import type { Clock } from "../../kernel/clock.ts";
import { errorMessage, UnavailableError } from "../../kernel/errors.ts";
import { moveDatabase, renameDatabase } from "../../platform/sqlite.ts";
import { successorOf } from "./open_state.ts";
import type { Usage, WriterReply, WriterRequest } from "./state_writer.ts";
import type { StoreEvents, StoreOptions } from "./store_options.ts";
import { WriterClient } from "./writer_client.ts";

/** Time between tries while the file can't be opened. */
const RETRY_MS = 60_000;

type Writer = Pick<WriterClient, "ask" | "close">;

/** The state file as the main thread sees it: open for writing, or tried again and again until it is. */
export class StateFile {
  readonly #options: StoreOptions;
  readonly #clock: Clock;
  readonly #events: StoreEvents;
  readonly #createClient: () => Writer;
  #client: Writer | undefined;
  #usage: Usage;
  #cancelRetry = () => {};
  #opening: Promise<void> = Promise.resolve();
  /** The state in memory has taken another way than what is in the file: that is moved away. */
  #anew = false;
  #closed = false;
  /** Told when another file is in the place of a damaged one. */
  replaced: () => void = () => {};
  /** Told when the file could be opened at last. */
  attached: () => void = () => {};

  constructor(
    options: StoreOptions,
    clock: Clock,
    events: StoreEvents,
    createClient: () => Writer = () => new WriterClient(),
  ) {
    this.#options = options;
    this.#clock = clock;
    this.#events = events;
    this.#createClient = createClient;
    this.#usage = { usedBytes: 0, maxBytes: options.maxBytes };
  }

  get isOpen(): boolean {
    return this.#client !== undefined;
  }

  /** As of the last reply. */
  get usage(): Usage {
    return this.#usage;
  }

  /**
   * Starts the writer on the file.
   *
   * @returns whether what the file held is still there, as far as anybody could read it
   * @throws {UnavailableError} when the file can't be made or written
   */
  async open(): Promise<boolean> {
    const client = this.#createClient();
    try {
      const anew = this.#anew;
      let reply = await client.ask({ type: "open", ...this.#options, anew });
      // Found while it was being opened.
      if (reply.type === "opened" && anew !== this.#anew) {
        reply = await client.ask({ type: "renew", reason: "it is of another cluster" });
      }
      if (reply.type !== "opened") {
        const reason = reply.type === "failed" ? reply.message : reply.type;
        throw new UnavailableError(
          `Cannot open the state file ${this.#options.path}: ${reason}; check that its directory is writable and the disk is not full`,
        );
      }
      this.#opened(reply);
      this.#client = client;
      this.#anew = false;
      return reply.setAside === undefined && reply.unreadable === 0;
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  #opened({ setAside, unreadable, usage }: WriterReply & { type: "opened" }): void {
    if (setAside) this.#events.setAside(setAside);
    if (unreadable > 0) this.#events.unreadable(unreadable);
    this.#usage = usage;
  }

  /**
   * Works without the file from now on, and tries again and again to open it.
   *
   * @param anew whatever is there by then is moved away
   */
  detach(error: unknown, anew: boolean): void {
    this.#events.unavailable(errorMessage(error));
    this.#anew ||= anew;
    this.#retry();
  }

  #retry(): void {
    if (this.#closed) return;
    this.#cancelRetry = this.#clock.timer(RETRY_MS, () => {
      this.#opening = this.#openLate();
    });
  }

  async #openLate(): Promise<void> {
    const wasAnew = this.#anew;
    let isWhole: boolean;
    try {
      isWhole = await this.open();
    } catch {
      return this.#retry();
    }
    // Before anything is written: what was read of the file, and is not in it, must be fetched anew.
    if (!isWhole && !wasAnew) this.replaced();
    this.attached();
  }

  /** The writer's reply; one that is broken, or has no file, fails. */
  async ask(request: WriterRequest): Promise<WriterReply> {
    const failed = (error: unknown): WriterReply => ({
      type: "failed",
      message: errorMessage(error),
      full: false,
    });
    const client = this.#client;
    const reply = await client?.ask(request).catch((error) => {
      this.#lost(client, error);
      return failed(error);
    }) ?? failed("it is not open");
    if (reply.type === "done") this.#usage = reply.usage;
    if (reply.type !== "damaged") return reply;
    // Here, where nobody reads meanwhile: a reader would find the new file short of what it knows.
    const { path } = this.#options;
    const { type: _, ...found } = reply;
    const aside = renameDatabase(path, "damaged") ?? path;
    moveDatabase(successorOf(path), path);
    this.#events.setAside({ path: aside, ...found });
    this.replaced();
    const begun = await this.ask({ type: "succeed" });
    if (begun.type === "failed") await this.#giveUp(begun.message, false);
    return failed("the file was damaged, and has been replaced");
  }

  /** The writer itself is broken, which can't be mended: another one takes its place. */
  #lost(client: Writer, error: unknown): void {
    if (this.#client !== client || this.#closed) return;
    this.#client = undefined;
    void client.close();
    this.detach(error, false);
  }

  /** What is there is moved away, and a new file begins. @returns whether it did */
  async renew(reason: string): Promise<boolean> {
    if (!this.isOpen) {
      // It is being tried again already.
      this.#anew = true;
      return false;
    }
    const reply = await this.ask({ type: "renew", reason });
    if (reply.type === "opened") {
      this.#opened(reply);
      return true;
    }
    await this.#giveUp(reply.type === "failed" ? reply.message : reply.type, true);
    return false;
  }

  /** The writer can't go on with its file. */
  async #giveUp(why: string, anew: boolean): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    this.detach(why, anew);
    await client?.close();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelRetry();
    await this.#opening;
    await this.#client?.close();
  }
}
