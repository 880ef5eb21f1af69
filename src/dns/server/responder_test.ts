import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/testing/fake_clock.ts";
import { createFailure, type Next } from "../chain.ts";
import { createMessage, decodeMessage, encodeMessage } from "../wire/message.ts";
import { RCODE } from "../wire/rcode.ts";
import { CLASS_IN, TYPE } from "../wire/record_type.ts";
import { createResponder } from "./responder.ts";

const CLIENT = { address: "10.244.1.5", port: 4000 };
const QUESTION = encodeMessage(createMessage({
  id: 7,
  questions: [{ name: "web.example.com", type: TYPE.A, class: CLASS_IN }],
}));

async function rcodeOf(chain: Next, client = CLIENT): Promise<number> {
  const clock = new FakeClock();
  const metrics = { answered: () => {}, dropped: () => {} } as never;
  const respond = createResponder({ chain, clock, metrics, explain: () => undefined });
  return decodeMessage((await respond(QUESTION, client, "udp"))!).rcode;
}

Deno.test.each<{ name: string; chain: Next }>([
  {
    name: "throws",
    chain: () => {
      throw new Error("a bug");
    },
  },
  { name: "rejects", chain: () => Promise.reject(new Error("a bug")) },
])("S43 createResponder() answers SERVFAIL when a handler $name", async ({ chain }) => {
  assert.equal(await rcodeOf(chain), RCODE.SERVFAIL);
});

Deno.test("createResponder() knows an IPv4 client also where it listens on [::]", async () => {
  let seen = "";
  const chain: Next = ({ client }) => {
    seen = client!.address;
    return createFailure(RCODE.REFUSED, "a test");
  };
  await rcodeOf(chain, { ...CLIENT, address: `::ffff:${CLIENT.address}` });
  assert.equal(seen, CLIENT.address);
});
