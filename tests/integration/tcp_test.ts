import assert from "node:assert/strict";
import { systemClock } from "../../src/kernel/clock.ts";
import { catchUncaught } from "../../src/platform/uncaught.ts";
import { connectTcp, listenTcp } from "../../src/platform/tcp.ts";

Deno.test("listenTcp() accepts again after the host was short of file descriptors", async () => {
  const { listen } = Deno;
  let errors = 0;
  Deno.listen = ((options: Deno.TcpListenOptions) => {
    const listener = listen(options);
    const accept = listener.accept.bind(listener);
    listener.accept = () => {
      return errors++ < 3
        ? Promise.reject(new Error("Too many open files (os error 24)"))
        : accept();
    };
    return listener;
  }) as typeof Deno.listen;
  const { promise, resolve } = Promise.withResolvers<void>();
  let server;
  try {
    server = listenTcp({ hostname: "127.0.0.1", port: 0 }, (socket) => {
      socket.close();
      resolve();
    });
  } finally {
    Deno.listen = listen;
  }
  const client = await connectTcp({ hostname: "127.0.0.1", port: server.port });
  const late = new AbortController();
  await Promise.race([promise, systemClock.sleep(2_000, late.signal)]);
  late.abort();
  client.close();
  server[Symbol.dispose]();
  assert.ok(errors > 3);
});

Deno.test("listenTcp() goes on after a connection that could not be dealt with", async () => {
  const errors: unknown[] = [];
  using _caught = catchUncaught((error) => errors.push(error));
  let count = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  using server = listenTcp({ hostname: "127.0.0.1", port: 0 }, (socket) => {
    socket.close();
    if (count++ === 0) throw new Error("a bug");
    resolve();
  });
  for (let i = 0; i < 2; i++) {
    const client = await connectTcp({ hostname: "127.0.0.1", port: server.port });
    client.close();
  }
  await promise;
  assert.equal(errors.length, 1);
});
