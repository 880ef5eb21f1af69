import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import {
  CloudModel,
  createPodHub,
  eventObject,
  type Known,
  relist,
  type State,
} from "../../../tests/testing/hub_cloud.ts";
import { MemoryStore } from "../../../tests/testing/memory_store.ts";
import type { Encoding, EncodingName, FrameSplitter } from "../../kube/codec/encoding.ts";
import { ENCODINGS } from "../../kube/codec/encodings.ts";
import { compareResourceVersions } from "../../kube/resource_version.ts";
import { INITIAL_EVENTS_END, type WatchEvent } from "../../kube/watch_event.ts";
import type { Hub } from "./hub.ts";
import { watchHub } from "./hub_watch.ts";
import { listHub } from "../lanes/list_response.ts";

const TIMEOUT_MS = 60_000;

/** How a client begins a watch. */
type Begin = "resume" | "0" | "unset" | "initial-events";

/**
 * A client as client-go: it lists, watches from there, and remembers where it is. It checks each frame:
 * versions never go back, and at a bookmark it must know exactly what the cloud held at that version.
 */
class ModelClient {
  #state = new Map<string, Known>();
  /** Where it is; empty when it must list first. */
  #version = "";
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #splitter: FrameSplitter;
  #pending: Promise<unknown> | undefined;
  /** Objects that a watch from the start still owes; undefined once it is past them. */
  #owed: number | undefined;
  #beganAt = "";
  #annotated = false;
  readonly #world: World;
  readonly #bookmarks: boolean;

  constructor(world: World, bookmarks: boolean) {
    this.#world = world;
    this.#bookmarks = bookmarks;
    this.#splitter = this.#encoding.createFrameSplitter();
  }

  get #encoding(): Encoding {
    return ENCODINGS[this.#world.encoding];
  }

  get state(): State {
    return this.#state;
  }

  /** Where the client stands, for messages. */
  toString(): string {
    return `client at ${this.#version} knows ${[...this.#state.keys()]}`;
  }

  /** LIST from the hub. */
  async list(): Promise<void> {
    this.disconnect();
    const response = listHub(this.#world.hub, { limit: 0 });
    const splitter = this.#encoding.createListSplitter();
    const items = splitter.push(new Uint8Array(await response.arrayBuffer()));
    this.#take(items, splitter.end().resourceVersion);
    assert.deepEqual(sorted(this.#state), sorted(this.#world.cloud.at(this.#version)), "list");
  }

  /** LIST that went through to the cloud: the client may now be ahead of the hub. */
  listCloud(): void {
    this.disconnect();
    this.#take(this.#world.cloud.items(this.#world.encoding), String(this.#world.cloud.version));
  }

  #take(items: Uint8Array[], version: string): void {
    this.#state = new Map(items.map((item) => this.#entryOf(item)));
    this.#version = version;
  }

  async connect(begin: Begin): Promise<void> {
    this.disconnect();
    const { hub } = this.#world;
    if (begin === "resume" && this.#version === "") await this.list();
    this.#splitter = this.#encoding.createFrameSplitter();
    if (begin === "resume") {
      this.#owed = undefined;
    } else {
      this.#state = new Map();
      this.#version = "";
      this.#owed = hub.content.versions().size;
      this.#beganAt = hub.resourceVersion;
      this.#annotated = begin === "initial-events";
    }
    const body = watchHub(
      hub,
      {
        resourceVersion:
          { resume: this.#version, "0": "0", unset: "", "initial-events": "" }[begin],
        bookmarks: this.#bookmarks || begin === "initial-events",
        sendInitialEvents: begin === "initial-events",
        timeoutMs: TIMEOUT_MS,
        signal: new AbortController().signal,
      },
      this.#world.clock,
      () => {},
    );
    this.#reader = body.getReader();
  }

  disconnect(): void {
    this.#reader?.cancel().catch(() => {});
    this.#ended();
  }

  #ended(): void {
    this.#reader = undefined;
    this.#pending = undefined;
    // Cut off in the middle of the objects it began with: it has to begin again.
    if (this.#owed !== undefined) this.#version = "";
  }

  /** Reads what the hub has for it, at most so many chunks. A read that waits goes on waiting. */
  async pull(chunks: number): Promise<void> {
    for (let i = 0; i < chunks; i++) {
      if (this.#reader === undefined) return;
      this.#pending ??= this.#read(this.#reader);
      const done = await Promise.race([this.#pending, this.#world.settle().then(() => "waits")]);
      if (done === "waits") return;
      this.#pending = undefined;
    }
  }

  async #read(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    const { done, value } = await reader.read();
    if (reader !== this.#reader) return;
    if (done) return this.#ended();
    for (const frame of this.#splitter.push(value)) {
      this.#see(this.#encoding.parseWatchEvent(frame));
    }
  }

  #see(event: WatchEvent): void {
    if (event.type === "ERROR") {
      assert.equal(this.#encoding.readStatus(event.object).code, 410);
      this.disconnect();
      this.#version = "";
      return;
    }
    const { resourceVersion } = this.#encoding.readMeta(event.object);
    if (this.#owed !== undefined && event.type === "ADDED" && this.#owed > 0) {
      const [name, known] = this.#entryOf(event.object);
      this.#state.set(name, known);
      this.#owed--;
    } else {
      if (this.#owed !== undefined) {
        assert.equal(this.#owed, 0, "an event or a bookmark in the middle of the initial objects");
        if (this.#annotated) {
          assert.deepEqual([event.type, resourceVersion], ["BOOKMARK", this.#beganAt]);
          assert.ok(new TextDecoder().decode(event.object).includes(INITIAL_EVENTS_END));
        }
        this.#beginFrom();
      }
      this.#change(event, resourceVersion);
    }
    // Without the annotated bookmark only the count tells that all have come.
    if (this.#owed === 0 && !this.#annotated) this.#beginFrom();
  }

  #beginFrom(): void {
    this.#owed = undefined;
    this.#version = this.#beganAt;
    assert.deepEqual(sorted(this.#state), sorted(this.#world.cloud.at(this.#version)), "initial");
  }

  #change(event: WatchEvent, resourceVersion: string): void {
    assert.ok(
      compareResourceVersions(resourceVersion, this.#version) >= 0,
      `the version went back from ${this.#version} to ${resourceVersion} (${event.type})`,
    );
    this.#version = resourceVersion;
    if (event.type === "BOOKMARK") {
      const want = sorted(this.#world.cloud.at(resourceVersion));
      assert.deepEqual(sorted(this.#state), want, `at the bookmark ${resourceVersion}`);
      return;
    }
    const [name, known] = this.#entryOf(event.object);
    if (event.type === "DELETED") {
      assert.equal(this.#state.get(name)?.uid ?? known.uid, known.uid, "another object's end");
      this.#state.delete(name);
    } else {
      const before = this.#state.get(name);
      assert.ok(before === undefined || before.uid === known.uid, "a new uid without a DELETED");
      this.#state.set(name, known);
    }
  }

  #entryOf(object: Uint8Array): [string, Known] {
    const { name, uid, resourceVersion } = this.#encoding.readMeta(object);
    return [name, { uid, resourceVersion }];
  }

  /** Reads on, listing and reconnecting as it must, until nothing more comes. */
  async drain(): Promise<void> {
    for (let round = 0; round < 20; round++) {
      if (this.#reader === undefined) await this.connect("resume");
      await this.pull(200);
      if (this.#reader !== undefined) return;
    }
    assert.fail(`it never comes to rest: ${this}`);
  }
}

const sorted = (state: State) => [...state].sort(([a], [b]) => (a < b ? -1 : 1));

/** A cloud, a hub that follows it, and clients of the hub. */
class World {
  readonly clock = new FakeClock();
  readonly cloud = new CloudModel();
  readonly clients: ModelClient[];
  readonly encoding: EncodingName;
  readonly #store: MemoryStore;
  readonly #maxEvents: number;
  hub: Hub;
  /** Watches that have not ended. */
  watches = 0;
  /** Events of the cloud that the hub was given. */
  #delivered = 0;

  constructor(options: Options) {
    this.encoding = options.encoding;
    this.#store = new MemoryStore(options.sliceRows);
    this.#maxEvents = options.maxEvents;
    this.hub = this.#createHub();
    this.clients = options.bookmarks.map((bookmarks) => new ModelClient(this, bookmarks));
  }

  #createHub(): Hub {
    return createPodHub(this.#store, {
      limits: { maxEvents: this.#maxEvents, maxBytes: 1_000_000 },
      encoding: this.encoding,
    });
  }

  settle(): Promise<void> {
    return setImmediate();
  }

  deliver(count: number): void {
    for (const event of this.cloud.events.slice(this.#delivered, this.#delivered + count)) {
      this.hub.change({ type: event.type, object: eventObject(event, this.encoding) });
      this.#delivered++;
    }
  }

  /** Events that the hub was given already come once more, as on a stream that was resumed. */
  replay(count: number): void {
    this.#delivered = Math.max(0, this.#delivered - count);
    this.deliver(count);
  }

  /** A bookmark at the newest version for which the hub has every event. */
  bookmark(): void {
    const next = this.cloud.events[this.#delivered];
    this.hub.bookmark(String(next === undefined ? this.cloud.version : next.version - 1));
    this.hub.caughtUp();
  }

  async relist(): Promise<void> {
    await relist(this.hub, this.cloud.items(this.encoding), this.cloud.version);
    this.#delivered = this.cloud.events.length;
  }

  /** A list that breaks off in the middle, and changes nothing. */
  async breakRelist(): Promise<void> {
    const replacement = this.hub.replace();
    await replacement.add(this.cloud.items(this.encoding).slice(0, 2));
    replacement.abandon();
  }

  commit(): void {
    this.#store.commit();
  }

  /** The agent starts anew: connections are cut, and without a clean stop the last changes are lost. */
  async restart(clean: boolean): Promise<void> {
    if (clean) this.#store.commit();
    for (const client of this.clients) client.disconnect();
    this.#store.crash();
    this.hub = this.#createHub();
    const position = this.hub.position();
    if (position === undefined) return await this.relist();
    this.#delivered = this.cloud.events.findIndex(({ version }) => version > Number(position));
    if (this.#delivered < 0) this.#delivered = this.cloud.events.length;
    this.hub.linkDown();
  }

  /** The hub holds exactly what the cloud held at the hub's version. */
  check(): void {
    const { hub, cloud } = this;
    const want = sorted(cloud.at(hub.resourceVersion));
    assert.deepEqual(sorted(hub.content.versions()), want, `hub at ${hub.resourceVersion}`);
  }
}

type Step =
  | { do: "apply" | "delete"; name: string }
  | { do: "deliver" | "replay"; count: number }
  | { do: "elsewhere" | "bookmark" | "relist" | "break" | "commit" | "time" }
  | { do: "restart"; clean: boolean }
  | { do: "list" | "list-cloud" | "disconnect"; client: number }
  | { do: "connect"; client: number; begin: Begin }
  | { do: "pull"; client: number; chunks: number };

const CLIENTS = 3;
const name = fc.constantFrom("a", "b", "c", "d", "e");
const client = fc.nat(CLIENTS - 1);
const just = <T extends Step["do"]>(...steps: T[]) =>
  fc.constantFrom(...steps).map((step) => ({ do: step }) as Step);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: name.map((name): Step => ({ do: "apply", name })) },
  { weight: 5, arbitrary: name.map((name): Step => ({ do: "delete", name })) },
  {
    weight: 6,
    arbitrary: fc.integer({ min: 1, max: 4 }).map((count): Step => ({ do: "deliver", count })),
  },
  { weight: 1, arbitrary: fc.nat(3).map((count): Step => ({ do: "replay", count })) },
  { weight: 4, arbitrary: just("elsewhere", "bookmark") },
  { weight: 3, arbitrary: just("relist") },
  { weight: 2, arbitrary: just("break", "commit") },
  { weight: 1, arbitrary: just("time") },
  { weight: 1, arbitrary: fc.boolean().map((clean): Step => ({ do: "restart", clean })) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom("list" as const, "list-cloud" as const, "disconnect" as const),
      client,
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("connect" as const),
      client,
      begin: fc.oneof(
        { weight: 5, arbitrary: fc.constant<Begin>("resume") },
        { weight: 3, arbitrary: fc.constantFrom<Begin>("0", "unset", "initial-events") },
      ),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("pull" as const),
      client,
      chunks: fc.integer({ min: 1, max: 6 }),
    }),
  },
);

async function take(world: World, step: Step): Promise<void> {
  switch (step.do) {
    case "apply":
      return world.cloud.apply(step.name);
    case "delete":
      return world.cloud.delete(step.name);
    case "elsewhere":
      return world.cloud.elsewhere();
    case "deliver":
      return world.deliver(step.count);
    case "replay":
      return world.replay(step.count);
    case "bookmark":
      return world.bookmark();
    case "relist":
      return await world.relist();
    case "break":
      return await world.breakRelist();
    case "commit":
      return world.commit();
    case "time":
      return await world.clock.advance(TIMEOUT_MS);
    case "restart":
      return await world.restart(step.clean);
    case "list":
      return await world.clients[step.client]!.list();
    case "list-cloud":
      return world.clients[step.client]!.listCloud();
    case "disconnect":
      return world.clients[step.client]!.disconnect();
    case "connect":
      return await world.clients[step.client]!.connect(step.begin);
    case "pull":
      return await world.clients[step.client]!.pull(step.chunks);
    default:
      step satisfies never;
  }
}

interface Options {
  encoding: EncodingName;
  maxEvents: number;
  sliceRows: number;
  bookmarks: boolean[];
}

/** Takes the steps, lets everything come to rest, and holds every client to the cloud. */
async function play(options: Options, steps: readonly Step[]): Promise<void> {
  const world = new World(options);
  await world.relist();
  for (const step of steps) {
    await take(world, step);
    await world.settle();
    world.check();
  }
  world.deliver(Infinity);
  world.bookmark();
  for (const client of world.clients) {
    await client.drain();
    assert.deepEqual(sorted(client.state), sorted(world.cloud.now), `${client}`);
    client.disconnect();
  }
  assert.equal(world.watches, 0);
  assert.equal(world.clock.pending, 0);
}

const RUNS = Math.max(1_000, Math.floor(Number(Deno.env.get("FUZZ_RUNS") ?? 0) / 5));

Deno.test("Hub brings every client to the cloud's state, never back, whatever happens in between", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        encoding: fc.constantFrom("json" as const, "protobuf" as const),
        maxEvents: fc.integer({ min: 1, max: 12 }),
        sliceRows: fc.integer({ min: 1, max: 3 }),
        bookmarks: fc.array(fc.boolean(), { minLength: CLIENTS, maxLength: CLIENTS }),
      }),
      fc.array(step, { maxLength: 80, size: "max" }),
      play,
    ),
    { numRuns: RUNS },
  );
});

/** What the property found once. */
Deno.test.each<{ name: string; steps: Step[] }>([
  {
    name: "an object came and went between what a crash left and a relist",
    steps: [
      { do: "commit" },
      { do: "apply", name: "c" },
      { do: "relist" },
      { do: "connect", client: 2, begin: "0" },
      { do: "pull", client: 2, chunks: 1 },
      { do: "delete", name: "c" },
      { do: "restart", clean: false },
      { do: "relist" },
    ],
  },
  {
    name: "a relist finds an object gone at the very version to which a client was ahead",
    steps: [
      { do: "apply", name: "e" },
      { do: "commit" },
      { do: "apply", name: "d" },
      { do: "apply", name: "a" },
      { do: "delete", name: "a" },
      { do: "delete", name: "d" },
      { do: "relist" },
      { do: "connect", client: 0, begin: "resume" },
      { do: "delete", name: "e" },
      { do: "restart", clean: false },
      { do: "connect", client: 0, begin: "resume" },
      { do: "deliver", count: 5 },
      { do: "relist" },
    ],
  },
  {
    name: "the agent restarts once more before that client is back",
    steps: [
      { do: "commit" },
      { do: "apply", name: "c" },
      { do: "relist" },
      { do: "list", client: 0 },
      { do: "delete", name: "c" },
      { do: "restart", clean: false },
      { do: "relist" },
      { do: "restart", clean: true },
    ],
  },
  {
    name: "a bookmark and a later event come at once",
    steps: [
      { do: "connect", client: 0, begin: "resume" },
      { do: "pull", client: 0, chunks: 1 },
      { do: "apply", name: "a" },
      { do: "elsewhere" },
      { do: "apply", name: "b" },
      { do: "deliver", count: 1 },
      { do: "bookmark" },
      { do: "deliver", count: 1 },
      { do: "pull", client: 0, chunks: 3 },
    ],
  },
  {
    name: "two relists pass while a client that is ahead does not read",
    steps: [
      { do: "apply", name: "a" },
      { do: "commit" },
      { do: "apply", name: "b" },
      { do: "relist" },
      { do: "list", client: 0 },
      { do: "restart", clean: false },
      { do: "connect", client: 0, begin: "resume" },
      { do: "delete", name: "b" },
      { do: "relist" },
      { do: "apply", name: "c" },
      { do: "relist" },
    ],
  },
])("Hub brings every client to the cloud's state when $name", async ({ steps }) => {
  for (const encoding of ["json", "protobuf"] as const) {
    await play({ encoding, maxEvents: 6, sliceRows: 1, bookmarks: [true, false, false] }, steps);
  }
});
