import { Counter, Gauge, Registry } from "prom-client";
import type { Clock } from "../kernel/clock.ts";
import type { Module } from "../kernel/module.ts";
import type { Host } from "../platform/host.ts";

/** Makes the registry of one agent; modules add their metrics to it. */
export function createRegistry(): Registry {
  return new Registry();
}

/** Adds the gauges that describe the process itself. Uptime counts from this call. */
export function addProcessMetrics(
  registry: Registry,
  ports: { host: Host; clock: Clock; version: string },
): void {
  const { host, clock, version } = ports;
  const startedMs = clock.monotonic();
  const registers = [registry];
  new Gauge({
    name: "edge_agent_process_build_info",
    help: "Always 1; the labels say which agent runs on which runtime.",
    labelNames: ["version", "deno", "os", "arch"],
    registers,
  }).set({ version, deno: host.runtime.deno, os: host.runtime.os, arch: host.runtime.arch }, 1);
  new Gauge({
    name: "edge_agent_process_start_time_seconds",
    help: "When the process started, as seconds since the Unix epoch.",
    registers,
  }).set(clock.now() / 1_000);
  gauge(
    "edge_agent_process_uptime_seconds",
    "Time since the start, on a clock that never jumps.",
    () => {
      return (clock.monotonic() - startedMs) / 1_000;
    },
  );
  gauge("edge_agent_process_resident_memory_bytes", "Memory that the process occupies.", () => {
    return host.memory().residentBytes;
  });
  gauge("edge_agent_process_heap_bytes", "Memory that JavaScript objects occupy.", () => {
    return host.memory().heapBytes;
  });

  function gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  }
}

/** Adds a gauge that says of each module whether it can do its job. */
export function addModuleMetrics(registry: Registry, modules: () => readonly Module[]): void {
  new Gauge({
    name: "edge_agent_module_ready_info",
    help: "1 when the module can do its job, as /readyz says.",
    labelNames: ["module"],
    registers: [registry],
    collect() {
      for (const module of modules()) {
        this.set({ module: module.name }, module.notReady() === undefined ? 1 : 0);
      }
    },
  });
}

/** Adds a counter of errors that nobody caught: each is a bug. The result counts one. */
export function addUncaughtMetric(registry: Registry): () => void {
  const counter = new Counter({
    name: "edge_agent_process_uncaught_errors_total",
    help: "Errors that no code foresaw; the log has each with its stack.",
    registers: [registry],
  });
  return () => counter.inc();
}
