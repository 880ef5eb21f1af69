import assert from "node:assert/strict";
import { ClientShares } from "./client_shares.ts";

Deno.test.each([
  { name: "a quarter", max: 1_000, want: 250 },
  { name: "a few, where there is room for few", max: 4, want: 8 },
])("ClientShares gives each client $name, again and again, and remembers none", ({ max, want }) => {
  const shares = new ClientShares(max);
  for (let round = 0; round < 3; round++) {
    for (const client of ["10.42.0.9", "fd00::9"]) {
      for (let i = 0; i < want; i++) assert.ok(shares.take(client));
      assert.ok(!shares.take(client));
      for (let i = 0; i < want; i++) shares.give(client);
    }
  }
  assert.equal(shares.size, 0);
});
