/** The names of Workers whose code is in this program. */
const STATE_WRITER = "edge-agent-state-writer";

/** Whether a global scope of this name is a Worker of ours rather than the main thread. */
export function isWorker(name: unknown): boolean {
  return name === STATE_WRITER;
}

/** Takes up the Worker's work: the module serves as soon as it is loaded under this name. */
export async function runWorker(): Promise<void> {
  await import("../proxy/store/state_writer.ts");
}
