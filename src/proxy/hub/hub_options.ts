import type { ListHead } from "../../kube/codec/list.ts";
import type { WindowLimits } from "./event_window.ts";
import type { Scope } from "./scope.ts";
import type { ScopeContent } from "./scope_content.ts";
import type { ScopeRow } from "../store/overlay.ts";

/** What a list of the scope says beside its items and its version. */
export type HubHead = Pick<ListHead, "kind" | "apiVersion" | "extra" | "spellsContinue">;

/** Told of what others must know too. */
export interface HubEvents {
  deleted(scope: Scope, key: string, resourceVersion: string): void;
  relisted(scope: Scope, differences: number): void;
  /** The store lost an object: the scope must be listed anew, now. */
  damaged(scope: Scope, key: string): void;
}

/** What a hub works with. */
export interface HubOptions {
  scope: Scope;
  content: ScopeContent;
  limits: WindowLimits;
  events: HubEvents;
  /** Wall clock, ms since the Unix epoch. */
  now: () => number;
  /** The scope's row, when the store has it. */
  row?: ScopeRow;
  /** Versions up to here, ahead of the hub, are of a past that the cloud gave up; empty if there is none. */
  forgottenTo?: string;
}
