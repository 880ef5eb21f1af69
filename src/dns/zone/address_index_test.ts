import assert from "node:assert/strict";
import fc from "fast-check";
import { AddressIndex } from "./address_index.ts";

Deno.test("AddressIndex holds what was added and not deleted", () => {
  const holders = [{ id: 0 }, { id: 1 }, { id: 2 }];
  const step = fc.record({ add: fc.boolean(), address: fc.constantFrom("a", "b"), id: fc.nat(2) });
  fc.assert(fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
    const index = new AddressIndex<{ id: number }>();
    const model = new Set<string>();
    for (const { add, address, id } of steps) {
      if (add) index.add(address, holders[id]!);
      else index.delete(address, holders[id]!);
      if (add) model.add(`${address}${id}`);
      else model.delete(`${address}${id}`);
    }
    const held = ["a", "b"].flatMap((address) => index.get(address).map(({ id }) => address + id));
    assert.deepEqual(held.sort(), [...model].sort());
  }));
});
