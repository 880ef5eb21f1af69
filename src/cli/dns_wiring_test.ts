import assert from "node:assert/strict";
import { onLink } from "./dns_wiring.ts";

/** A proxy's link that the test sets. */
class FakeLink {
  link: { state: string } | undefined;
  readonly listeners = new Set<() => void>();

  constructor(state?: string) {
    this.link = state === undefined ? undefined : { state };
  }

  subscribeLink(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  set(state: string): void {
    this.link = { state };
    for (const listener of this.listeners) listener();
  }
}

Deno.test("onLink() tells each time that the link goes down or comes up, until it is ended", () => {
  const proxy = new FakeLink();
  const told: string[] = [];
  const end = onLink(proxy)((state) => void told.push(state));
  for (const state of ["unknown", "down", "down", "up"]) proxy.set(state);
  end();
  assert.deepEqual(told, ["down", "up"]);
  assert.equal(proxy.listeners.size, 0);
});

Deno.test("S42 onLink() tells at once that the link was down before, as after a start without a cloud", () => {
  const told: string[] = [];
  onLink(new FakeLink("down"))((state) => void told.push(state));
  assert.deepEqual(told, ["down"]);
});
