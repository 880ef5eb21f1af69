import { UnavailableError } from "../kernel/errors.ts";
import type { Module } from "../kernel/module.ts";
import { type HttpServer, serveHttp } from "../platform/net.ts";
import { type AdminPorts, createAdminApp } from "./admin_app.ts";

/** The listener for health checks, metrics and status. */
export interface Admin extends Module {
  /** `http://host:port`; only after `start`. */
  readonly url: string;
}

/** Constructs the admin module; nothing is opened before `start`. */
export function createAdmin(listen: { hostname: string; port: number }, ports: AdminPorts): Admin {
  let server: HttpServer | undefined;
  return {
    name: "admin",
    get url() {
      if (server === undefined) throw new UnavailableError("The admin listener is not started");
      return urlOf(server);
    },
    start: () =>
      Promise.try(() => {
        const hostNames = [...ports.hostNames, listen.hostname];
        const app = createAdminApp({ ...ports, hostNames });
        server = serveHttp(listen, (request) => app.fetch(request));
      }),
    notReady: () => server === undefined ? "not started" : undefined,
    status: () => server === undefined ? {} : { url: urlOf(server) },
    async [Symbol.asyncDispose]() {
      await server?.[Symbol.asyncDispose]();
      server = undefined;
    },
  };
}

function urlOf({ hostname, port }: HttpServer): string {
  return `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}
