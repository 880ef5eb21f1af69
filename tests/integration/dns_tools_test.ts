import assert from "node:assert/strict";
import { createChain } from "../../src/dns/chain.ts";
import { AnswerCache } from "../../src/dns/cache/answer_cache.ts";
import { TTL_BOUNDS } from "../../src/dns/cache/answer_ttl.ts";
import { CacheHandler } from "../../src/dns/cache/cache_handler.ts";
import { ForwardHandler } from "../../src/dns/forward/forward_handler.ts";
import { systemClock } from "../../src/kernel/clock.ts";
import { question } from "../testing/test_forwarder.ts";
import { createRealForwarder, serveChain } from "../testing/dns_front.ts";

/** Whether a program can be run here; Debian has them in dnsmasq-base, bind9-dnsutils and knot-dnsutils. */
async function has(...programs: string[]): Promise<boolean> {
  for (const program of programs) {
    try {
      await new Deno.Command(program, { args: ["-v"], stdout: "null", stderr: "null" }).output();
    } catch {
      return false;
    }
  }
  return true;
}

const ignore = !await has("dnsmasq", "dig", "kdig");

async function output(program: string, args: string[]): Promise<string> {
  const { stdout } = await new Deno.Command(program, { args, stderr: "null" }).output();
  return new TextDecoder().decode(stdout);
}

/** A dnsmasq on a free port of loopback that reads no file of the host. */
async function startDnsmasq(args: string[]): Promise<AsyncDisposable & { port: number }> {
  const port = freePort();
  const child = new Deno.Command("dnsmasq", {
    args: [
      "--keep-in-foreground",
      "--conf-file=/dev/null",
      "--no-resolv",
      "--no-hosts",
      "--pid-file",
      "--user=root",
      "--listen-address=127.0.0.1",
      "--bind-interfaces",
      `--port=${port}`,
      ...args,
    ],
    stdout: "null",
    stderr: "null",
  }).spawn();
  // Itself it answers, whatever it forwards to.
  const chaos = [...to(port), "+tries=1", "+time=1", "CH", "TXT", "version.bind"];
  while (!(await output("dig", chaos)).includes("HEADER")) await systemClock.sleep(20);
  return {
    port,
    async [Symbol.asyncDispose]() {
      child.kill();
      await child.status;
    },
  };
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

const to = (port: number) => ["@127.0.0.1", "-p", `${port}`];

/** A server before the given upstream: cache and forwarder. */
function serveBefore(port: number) {
  const forwarder = createRealForwarder([{ hostname: "127.0.0.1", port }], { deadlineMs: 1_000 });
  const cache = new AnswerCache(
    { maxBytes: 1_000_000, maxStaleMs: 60_000, ttl: TTL_BOUNDS },
    systemClock,
  );
  const handlers = [new CacheHandler(cache, systemClock), new ForwardHandler(forwarder)];
  const front = serveChain(createChain(handlers));
  return {
    front,
    forwarder,
    [Symbol.dispose]() {
      front[Symbol.dispose]();
      forwarder[Symbol.dispose]();
    },
  };
}

Deno.test({
  name: "S40 dig and kdig get through cache and forwarder what dnsmasq says",
  ignore,
  async fn() {
    const txt = Array.from({ length: 20 }, (_, i) => `${i}`.padEnd(100, "x"));
    await using dnsmasq = await startDnsmasq([
      "--host-record=a.test,192.0.2.1,2001:db8::1",
      "--cname=alias.test,a.test",
      ...txt.map((text) => `--txt-record=big.test,${text}`),
      "--srv-host=_http._tcp.test,a.test,80,1,2",
      "--mx-host=test,a.test,10",
      "--local=/test/",
      "--local-ttl=60",
    ]);
    using server = serveBefore(dnsmasq.port);
    const ask = async (...args: string[]) =>
      await output("dig", [...to(server.front.port), "+noall", "+answer", "+comments", ...args]);
    const rows: [args: string[], want: RegExp][] = [
      [["a.test"], /status: NOERROR[\s\S]*^a\.test\.\s+\d+\s+IN\s+A\s+192\.0\.2\.1$/m],
      [["A.TeSt", "AAAA"], /^A\.TeSt\.\s+\d+\s+IN\s+AAAA\s+2001:db8::1$/m],
      [["alias.test"], /^alias\.test\..*CNAME\s+a\.test\.\n^a\.test\..*192\.0\.2\.1$/m],
      [["_http._tcp.test", "SRV"], /SRV\s+1 2 80 a\.test\.$/m],
      [["test", "MX"], /MX\s+10 a\.test\.$/m],
      [["none.test"], /status: NXDOMAIN/],
      [["a.test", "SRV"], /status: NOERROR[\s\S]*ANSWER: 0/],
      [["+ignore", "big.test", "TXT"], /flags: qr tc rd/],
      [["big.test", "TXT"], /ANSWER: 20/],
      [["+noedns", "+ignore", "a.test"], /status: NOERROR/],
      [["+norecurse", "unknown.test"], /status: REFUSED[\s\S]*EDE: 20/],
      [["+tcp", "a.test"], /192\.0\.2\.1/],
      [["-c", "CH", "version.bind", "TXT"], /status: REFUSED/],
      [["test", "AXFR", "+tcp"], /Transfer failed/],
    ];
    for (const _ of ["from the upstream", "from the cache"]) {
      for (const [args, want] of rows) assert.match(await ask(...args), want);
    }
    const kdig = await output("kdig", [...to(server.front.port), "+dnssec", "a.test"]);
    assert.match(kdig, /status: NOERROR[\s\S]*EDNS PSEUDOSECTION[\s\S]*192\.0\.2\.1/);
  },
});

Deno.test({
  name: "S45 a forwarding loop through dnsmasq is found and never stops the server",
  ignore,
  async fn() {
    let chain = createChain([]);
    using front = serveChain((asked) => chain(asked));
    await using dnsmasq = await startDnsmasq([`--server=127.0.0.1#${front.port}`]);
    using forwarder = createRealForwarder([{ hostname: "127.0.0.1", port: dnsmasq.port }]);
    chain = createChain([new ForwardHandler(forwarder)]);
    const early = output("dig", [...to(front.port), "+tries=1", "a.test"]);
    while (forwarder.status()[0]!.state !== "looping") await systemClock.sleep(10);
    assert.match(await early, /status: SERVFAIL/);
    const said = await output("dig", [...to(front.port), "b.test"]);
    assert.match(said, /status: SERVFAIL[\s\S]*EDE: 22/);
  },
});

Deno.test({
  name: "S45 a dnsmasq that knows one domain and asks us for the rest is asked for its domain",
  ignore,
  async fn() {
    let chain = createChain([]);
    using front = serveChain((asked) => chain(asked));
    await using dnsmasq = await startDnsmasq([
      "--host-record=printer.lan,192.0.2.9",
      "--local=/lan/",
      `--server=127.0.0.1#${front.port}`,
    ]);
    const upstreams = [{ hostname: "127.0.0.1", port: dnsmasq.port }];
    using forwarder = createRealForwarder([]);
    chain = createChain([new ForwardHandler(forwarder)]);
    forwarder.configure({ upstreams, stubs: [{ zone: "lan", upstreams }] });
    while (forwarder.status()[0]!.state !== "looping") await systemClock.sleep(10);
    const said = await output("dig", [...to(front.port), "printer.lan"]);
    assert.match(said, /status: NOERROR[\s\S]*192\.0\.2\.9/);
    assert.equal((await forwarder.resolve(question("a.test"))).state, "unreachable");
    assert.equal(forwarder.status()[1]?.state, "up");
  },
});
