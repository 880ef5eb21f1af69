/**
 * What `run` starts and stops. Lifecycle: parse config (pure) -> construct (pure) -> `start(signal)` ->
 * `notReady()` asked by `/readyz` -> dispose.
 */
export interface Module extends AsyncDisposable {
  readonly name: string;
  /** Opens what the module needs; resolves once it serves. Work goes on until `signal` aborts. */
  start(signal: AbortSignal): Promise<void>;
  /** Why the module can't do its job right now, as one sentence; undefined when it can. */
  notReady(): string | undefined;
  /** What `status` and `/status` show of it: plain JSON data. */
  status(): Record<string, unknown>;
  /** Takes over a changed config section; throws a `UsageError` (and changes nothing) if it can't. */
  reload?(section: unknown): Promise<void>;
}
