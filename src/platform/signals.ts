/** What the operating system asks of the process. Disposing gives the signals back to it. */
export interface Signals extends Disposable {
  /** Aborts on the first SIGTERM or SIGINT, with the signal's name as the reason. */
  readonly stop: AbortSignal;
}

/** Told of what is no plain stop. */
export interface SignalEvents {
  /** SIGHUP. */
  reload(): void;
  /** Another SIGTERM or SIGINT: whoever sends it is done waiting. */
  stopAgain(): void;
}

/** Takes SIGTERM, SIGINT and SIGHUP over, until disposed. */
export function listenForSignals(events: SignalEvents): Signals {
  const controller = new AbortController();
  const onStop = (name: Deno.Signal) => () => {
    if (controller.signal.aborted) events.stopAgain();
    else controller.abort(name);
  };
  const listeners: [Deno.Signal, () => void][] = [
    ["SIGTERM", onStop("SIGTERM")],
    ["SIGINT", onStop("SIGINT")],
    ["SIGHUP", () => events.reload()],
  ];
  for (const [name, listener] of listeners) Deno.addSignalListener(name, listener);
  return {
    stop: controller.signal,
    [Symbol.dispose]() {
      for (const [name, listener] of listeners) Deno.removeSignalListener(name, listener);
    },
  };
}
