import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import { StateFile } from "./state_file.ts";
import type { WriterReply, WriterRequest } from "./state_writer.ts";

const OPTIONS = { path: "/state.db", secret: new Uint8Array(32), maxBytes: 1e6 };
const USAGE = { usedBytes: 0, maxBytes: 1e6 };

/** A writer that does all it is asked to, until it is broken. */
class StubWriter {
  broken = false;
  closed = false;

  ask({ type }: WriterRequest): Promise<WriterReply> {
    if (this.broken) return Promise.reject(new Error("Cannot run the state writer"));
    return Promise.resolve(
      type === "open"
        ? { type: "opened", unreadable: 0, usage: USAGE }
        : { type: "done", usage: USAGE, hasLeftovers: false },
    );
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}

Deno.test("ask() fails when the writer is broken, and another one takes its place within a minute", async () => {
  const clock = new FakeClock();
  const writers: StubWriter[] = [];
  const told: string[] = [];
  const events = {
    setAside: () => {},
    unreadable: () => {},
    unavailable: (message: string) => void told.push(message),
    writeFailed: () => {},
    writeRecovered: () => {},
  };
  const file = new StateFile(OPTIONS, clock, events, () => {
    writers.push(new StubWriter());
    return writers.at(-1)!;
  });
  const attached = Promise.withResolvers<void>();
  file.attached = attached.resolve;
  await file.open();
  writers[0]!.broken = true;
  const replies = await Promise.all([file.ask({ type: "tidy" }), file.ask({ type: "tidy" })]);
  assert.deepEqual(replies.map(({ type }) => type), ["failed", "failed"]);
  assert.ok(!file.isOpen);
  assert.ok(writers[0]!.closed);
  assert.deepEqual(told, ["Cannot run the state writer"]);
  await clock.advance(60_000);
  await attached.promise;
  assert.equal((await file.ask({ type: "tidy" })).type, "done");
  assert.equal(writers.length, 2);
  await file.close();
});
