import type { Gvr } from "../../kube/request_info.ts";

/** A change that objects undergo on their way to some clients. */
export interface Filter {
  /** As in the config. */
  readonly name: string;
  /** Everything that the change depends on, beside the object: clients must list anew when it is another. */
  readonly fingerprint: string;
  /** Names of the identities that are shown what is changed. */
  readonly identities: readonly string[];
  /** Whether objects of a resource may be changed. */
  covers(gvr: Gvr): boolean;
  /**
   * An object as it is shown, in JSON; the very same bytes when it is not changed. Pure, so the resourceVersion
   * stays: an object is always shown alike, until the config changes. Never throws.
   */
  show(object: Uint8Array): Uint8Array;
}
