import assert from "node:assert/strict";
import { configureSync, getLogger, resetSync } from "@logtape/logtape";
import { Registry } from "prom-client";
import { DnsConfig } from "../../src/dns/config.ts";
import { createDns } from "../../src/dns/mod.ts";
import { createMessage, decodeMessage, encodeMessage } from "../../src/dns/wire/message.ts";
import { RCODE } from "../../src/dns/wire/rcode.ts";
import { CLASS_IN, TYPE } from "../../src/dns/wire/record_type.ts";
import { formatZoneFile } from "../../src/dns/source/zone_file.ts";
import { toServiceFacts } from "../../src/dns/zone/service_facts.ts";
import { parseHostPort } from "../../src/config/scalars.ts";
import { createExec } from "../../src/platform/exec.ts";
import { createFs } from "../../src/platform/fs.ts";
import { listenTcp } from "../../src/platform/tcp.ts";
import { bindUdp } from "../../src/platform/udp.ts";
import { FakeClock } from "../testing/fake_clock.ts";

const NAME = "web.shop.svc.cluster.local";

/** The module on a disk of its own, with nobody to ask. */
async function onDisk(section: Record<string, unknown> = {}, root = "/") {
  const stateDir = root === "/" ? await Deno.makeTempDir() : "/state";
  const clock = new FakeClock();
  const forward = { resolvConf: `${stateDir}/resolv.conf`, upstreams: ["127.0.0.1:1"] };
  const config = DnsConfig.parse({
    listen: "127.0.0.1:0",
    kubeconfig: `${stateDir}/missing`,
    forward,
    ...section,
  });
  const dns = createDns(config, {
    ...{ clock, stateDir },
    fs: createFs(root),
    exec: createExec(),
    logger: getLogger(["edge-agent", "test"]),
    registry: new Registry(),
    hostname: () => "n1",
    random: Math.random,
    randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
  });
  return { dns, clock, stateDir };
}

/** Nothing waits for a time any more, as soon as what was on its way to the network is. */
async function ended(clock: FakeClock): Promise<void> {
  for (let i = 0; clock.pending > 0 && i < 100; i++) {
    await new Promise((done) => setTimeout(done, 5));
  }
  assert.equal(clock.pending, 0);
}

async function ask(address: string, name: string): Promise<{ rcode: number; answers: number }> {
  const reply = Promise.withResolvers<Uint8Array>();
  using socket = bindUdp({ hostname: "127.0.0.1", port: 0 }, (bytes) => reply.resolve(bytes));
  const questions = [{ name, type: TYPE.A, class: CLASS_IN }];
  await socket.send(encodeMessage(createMessage({ id: 7, questions })), parseHostPort(address));
  const { rcode, answers } = decodeMessage(await reply.promise);
  return { rcode, answers: answers.length };
}

Deno.test("S41 the dns module answers from its disk without anybody to ask, and leaves nothing behind", async () => {
  const { dns, clock, stateDir } = await onDisk();
  const service = toServiceFacts({
    metadata: { namespace: "shop", name: "web" },
    spec: { clusterIPs: ["10.96.0.7"] },
  });
  const kept = formatZoneFile({ service: new Map([["shop/web", service]]) });
  await Deno.writeTextFile(`${stateDir}/dns-zone.json`, kept);
  const stop = new AbortController();
  await dns.start(stop.signal);
  const { address, origin } = dns.status();
  assert.deepEqual([origin, dns.notReady()], ["file", undefined]);
  assert.deepEqual(await ask(String(address), NAME), { rcode: RCODE.NOERROR, answers: 1 });
  assert.equal((await ask(String(address), `no.${NAME}`)).rcode, RCODE.NXDOMAIN);
  stop.abort();
  await dns[Symbol.asyncDispose]();
  await dns[Symbol.asyncDispose]();
  await ended(clock);
});

Deno.test("the dns module takes its port as soon as others leave it", async () => {
  const other = listenTcp({ hostname: "127.0.0.1", port: 0 }, (socket) => socket.close());
  const { dns, clock } = await onDisk({ listen: `127.0.0.1:${other.port}` });
  await dns.start(new AbortController().signal);
  assert.match(dns.notReady() ?? "", /Cannot listen on/);
  other[Symbol.dispose]();
  await clock.advance(2_000);
  for (let i = 0; dns.status().problem !== undefined && i < 100; i++) {
    await new Promise((done) => setTimeout(done, 5));
  }
  assert.equal(dns.notReady(), "the cluster's Services are not known yet");
  assert.equal((await ask(String(dns.status().address), NAME)).rcode, RCODE.SERVFAIL);
  await dns[Symbol.asyncDispose]();
  await ended(clock);
});

Deno.test("the dns module warns when the host's files name nobody that can be asked, and says what they name", async () => {
  const warnings: Record<string, unknown>[] = [];
  configureSync({
    reset: true,
    sinks: {
      all: ({ rawMessage, properties }) => {
        if (String(rawMessage).includes("dns.forward.upstreams")) warnings.push(properties);
      },
    },
    loggers: [
      { category: "edge-agent", sinks: ["all"], lowestLevel: "warning" },
      { category: ["logtape", "meta"], sinks: [] },
    ],
  });
  try {
    const root = await Deno.makeTempDir();
    await Deno.mkdir(`${root}/etc`);
    await Deno.writeTextFile(`${root}/etc/resolv.conf`, "nameserver 127.0.0.53\n");
    for (const forward of [{}, { upstreams: ["127.0.0.1:1"] }]) {
      const { dns, clock } = await onDisk({ forward }, root);
      await dns.start(new AbortController().signal);
      await dns[Symbol.asyncDispose]();
      await ended(clock);
    }
    assert.deepEqual(warnings.map(({ leftOut }) => leftOut), [["127.0.0.53"]]);
  } finally {
    resetSync();
  }
});

Deno.test("the dns module that was told to stop before it started leaves nothing behind", async () => {
  const { dns, clock } = await onDisk();
  await dns.start(AbortSignal.abort());
  await dns[Symbol.asyncDispose]();
  await ended(clock);
});

Deno.test("the dns module warns of an address on which everybody may ask", async () => {
  const warnings: string[] = [];
  configureSync({
    reset: true,
    sinks: { test: ({ message }) => void warnings.push(message.join("")) },
    loggers: [
      { category: "edge-agent", sinks: ["test"], lowestLevel: "warning" },
      { category: ["logtape"], lowestLevel: null },
    ],
  });
  try {
    for (const [listen, count] of [["127.0.0.1:0", 0], ["0.0.0.0:0", 1]] as const) {
      const { dns, clock } = await onDisk({ listen });
      const stop = new AbortController();
      await dns.start(stop.signal);
      const told = warnings.filter((text) => text.startsWith("an open resolver"));
      assert.equal(told.length, count);
      stop.abort();
      await dns[Symbol.asyncDispose]();
      await ended(clock);
    }
  } finally {
    resetSync();
  }
});
