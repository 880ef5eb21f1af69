import { UnreachableError } from "./upstream.ts";

/**
 * Breaks off what goes on in a caller's name when their credential was replaced, so that it goes on with the
 * new one. Nobody else's is touched.
 */
export class Renewals {
  readonly #current = new Map<string, AbortController>();

  /** Aborts at the next renewal of that caller. @param caller their key */
  signal(caller: string): AbortSignal {
    const owner = ownerOf(caller);
    let controller = this.#current.get(owner);
    if (controller === undefined) this.#current.set(owner, controller = new AbortController());
    return controller.signal;
  }

  /** That caller's credential was replaced. */
  renew(caller: string): void {
    const owner = ownerOf(caller);
    const controller = this.#current.get(owner);
    this.#current.delete(owner);
    // No outage: whoever is broken off simply goes on.
    controller?.abort(
      new UnreachableError("the credential was renewed", { sent: true, answered: false }),
    );
  }

  /** Everybody's was, or what they trust. */
  renewAll(): void {
    for (const owner of [...this.#current.keys()]) this.renew(owner);
  }
}

/** A bearer that is known by its hash alone has no other token to go on with: they come and go, as one. */
function ownerOf(caller: string): string {
  return caller.startsWith("bearer:") ? "bearer:" : caller;
}
