import type { JournalEntry } from "./journal_entry.ts";

/**
 * What the cloud's answer means for a journaled write.
 *
 * - `delivered`: it is there
 * - `create-again`: the Event that it changes is not
 * - `refused`: it will never be taken
 * - `forbidden`: the sender may not, or the cloud's authorizer does not know its rules yet
 * - `later`: the cloud can't take it now
 */
export type Verdict = "delivered" | "create-again" | "refused" | "forbidden" | "later";

/** Judges an answer by its status. A create of a name that is taken was delivered before the answer was lost. */
export function judge(verb: JournalEntry["verb"], status: number): Verdict {
  if (status >= 200 && status < 300) return "delivered";
  if (status === 408 || status === 429 || status >= 500) return "later";
  if (status === 403) return "forbidden";
  if (verb === "create" && status === 409) return "delivered";
  if (verb === "patch" && status === 404) return "create-again";
  return "refused";
}
