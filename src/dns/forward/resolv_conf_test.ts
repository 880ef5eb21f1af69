import assert from "node:assert/strict";
import { chooseNameservers, parseResolvConf } from "./resolv_conf.ts";

Deno.test("parseResolvConf() reads name servers and the last search list", () => {
  const text = `# a comment
; another
nameserver 10.0.0.1   # behind it
  nameserver\t2001:DB8:0::1
nameserver not-an-address
nameserver fe80::1%eth0
domain old.example
search Corp.Example. lab.example .
options ndots:5
`;
  assert.deepEqual(parseResolvConf(text), {
    nameservers: ["10.0.0.1", "2001:db8::1"],
    search: ["corp.example", "lab.example"],
  });
});

const STUB = "nameserver 127.0.0.53\noptions edns0 trust-ad\n";

Deno.test.each([
  { name: "the kubelet's file", texts: ["nameserver 10.0.0.1"], want: ["10.0.0.1"] },
  { name: "what is behind a stub", texts: [STUB, "nameserver 10.0.0.2"], want: ["10.0.0.2"] },
  { name: "nothing where all is a stub", texts: [STUB, STUB], want: [] },
  { name: "no loopback address", texts: ["nameserver 127.0.0.1\nnameserver ::1"], want: [] },
  {
    name: "no address of ours, however written",
    texts: ["nameserver 169.254.20.10\nnameserver fd00:0::1\nnameserver 10.0.0.1"],
    want: ["10.0.0.1"],
  },
  { name: "each once", texts: ["nameserver 10.0.0.1\nnameserver 10.0.0.1"], want: ["10.0.0.1"] },
])("chooseNameservers() takes $name", ({ texts, want }) => {
  assert.deepEqual(chooseNameservers(texts, ["169.254.20.10", "fd00::1"]).nameservers, want);
});

Deno.test("chooseNameservers() says what it left out, each once", () => {
  const texts = [STUB, "nameserver 127.0.0.1\nnameserver 169.254.20.10", STUB];
  assert.deepEqual(chooseNameservers(texts, ["169.254.20.10"]), {
    nameservers: [],
    leftOut: ["127.0.0.53", "127.0.0.1", "169.254.20.10"],
  });
});
