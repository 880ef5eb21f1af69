import type { Context, Hono } from "hono";
import type { ByteStream } from "../../src/kernel/byte_stream.ts";
import type { ClientConnection } from "../../src/platform/http_front.ts";
import { formatHead } from "../../src/platform/http_head.ts";

/** The part of a fake cloud that leaves HTTP: it sends back what it gets. */
export interface UpgradeServer {
  /** Headers of the requests to leave HTTP so far. */
  readonly asked: Headers[];
  /** Connections that left HTTP and are not over. */
  readonly open: number;
  /** For {@linkcode FakeApiServerOptions.routes}: `exec` of pods; of the pod `sink` nothing is read. */
  routes(app: Hono): void;
}

/** Creates one. */
export function createUpgradeServer(): UpgradeServer {
  const asked: Headers[] = [];
  let open = 0;
  const answer = (c: Context) => {
    // A copy: those of a connection that left HTTP can't be read any more.
    asked.push(new Headers(c.req.raw.headers));
    const { connection } = c.env as { connection: ClientConnection };
    const client = connection.takeOver();
    const protocol = c.req.header("upgrade");
    if (client === undefined || protocol === undefined) return c.text("not an upgrade", 400);
    const head = formatHead("HTTP/1.1 101 Switching Protocols", [
      ["Connection", "Upgrade"],
      ["Upgrade", protocol],
      ["X-Of-The-Cloud", "yes"],
    ]);
    open++;
    void echo(client, head, c.req.param("name") === "sink").finally(() => {
      client.close();
      open--;
    });
    return c.body(null, 204);
  };
  return {
    asked,
    get open() {
      return open;
    },
    routes: (app) => void app.all("/api/v1/namespaces/:namespace/pods/:name/exec", answer),
  };
}

async function echo(client: ByteStream, head: Uint8Array, sink: boolean): Promise<void> {
  try {
    // The first word of the new protocol comes with the answer.
    const hello = new TextEncoder().encode("hello\n");
    const both = new Uint8Array(head.length + hello.length);
    both.set(head);
    both.set(hello, head.length);
    await client.write(both);
    if (sink) return await Promise.withResolvers<void>().promise;
    for (let bytes; (bytes = await client.read()) !== null;) await client.write(bytes);
    await client.write(new TextEncoder().encode("goodbye\n"));
    await client.closeWrite();
  } catch {
    // The other side is gone.
  }
}
