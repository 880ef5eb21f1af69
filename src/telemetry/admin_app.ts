import { type Context, Hono } from "hono";
import type { Logger } from "@logtape/logtape";
import type { Registry } from "prom-client";
import { errorMessage } from "../kernel/errors.ts";
import type { Module } from "../kernel/module.ts";
import { isOwnName } from "./own_name.ts";
import { redact } from "./redact.ts";
import { renderStatusPage, statusPagePolicy } from "./status_page.ts";

/** What the admin endpoints show. */
export interface AdminPorts {
  modules: () => readonly Module[];
  registry: Registry;
  /** Facts about the process, for `/status`: plain JSON data. */
  about: () => Record<string, unknown>;
  /** Host names, besides IP addresses and `localhost`, by which clients may reach the listener. */
  hostNames: readonly string[];
  logger: Logger;
}

/** One module as `/readyz` and `/status` see it. */
interface ModuleState {
  name: string;
  ready: boolean;
  reason?: string;
}

/** Builds `/livez`, `/readyz`, `/metrics`, `/status` and the page at `/`. Read-only, without credentials. */
export function createAdminApp(ports: AdminPorts): Hono {
  const { modules, registry, about, logger } = ports;
  const app = new Hono();

  // First, so that no answer is without them.
  app.use(async (context, next) => {
    await next();
    context.header("cache-control", "no-store");
    context.header("x-content-type-options", "nosniff");
    context.header("referrer-policy", "no-referrer");
    context.header("x-frame-options", "DENY");
  });
  // A page of another site whose name was rebound to 127.0.0.1 sends that name: it must learn nothing.
  app.use(async (context, next) => {
    const { hostname } = new URL(context.req.url);
    if (isOwnName(hostname, ports.hostNames)) return await next();
    return context.text(`"${hostname}" is no name of this listener: use its IP address\n`, 403);
  });
  app.use(async (context, next) => {
    if (context.req.method === "GET" || context.req.method === "HEAD") return await next();
    return context.text("only GET and HEAD\n", 405, { allow: "GET, HEAD" });
  });

  app.get("/livez", (context) => context.text("ok\n"));
  app.get("/readyz", (context) => {
    const states = modules().map(stateOf);
    const ready = states.every((state) => state.ready);
    if (ready && context.req.query("verbose") === undefined) return context.text("ok\n");
    return context.text(formatReadiness(states, ready), ready ? 200 : 503);
  });
  app.get("/metrics", async (context) => {
    return context.body(await registry.metrics(), 200, { "content-type": registry.contentType });
  });
  app.get("/status", (context) => {
    const states = modules().map((module) => ({ ...stateOf(module), status: statusOf(module) }));
    const ready = states.every((state) => state.ready);
    return context.json(redact({ ready, agent: about(), modules: states }));
  });
  app.get("/", async (context) => {
    return context.html(renderStatusPage(), 200, {
      "content-security-policy": await statusPagePolicy(),
    });
  });

  app.notFound((context) => {
    return context.text("not found; there are /livez /readyz /metrics /status and /\n", 404);
  });
  app.onError((error, context: Context) => {
    logger.error("Admin request failed", { path: context.req.path, error });
    return context.text("internal error, see the log\n", 500);
  });
  return app;
}

/** The text of `/readyz`, in the form of the kube-apiserver's. */
function formatReadiness(states: readonly ModuleState[], ready: boolean): string {
  const lines = states.map(({ name, reason }) =>
    reason === undefined ? `[+]${name} ok` : `[-]${name} failed: ${reason}`
  );
  return [...lines, `readyz check ${ready ? "passed" : "failed"}`, ""].join("\n");
}

function stateOf(module: Module): ModuleState {
  const { name } = module;
  let reason: string | undefined;
  try {
    reason = module.notReady();
  } catch (error) {
    reason = `its check failed: ${errorMessage(error)}`;
  }
  return reason === undefined ? { name, ready: true } : { name, ready: false, reason };
}

/** One module that can't tell its status must not hide the others'. */
function statusOf(module: Module): Record<string, unknown> {
  try {
    return module.status();
  } catch (error) {
    return { error: errorMessage(error) };
  }
}
