import { statusResponse } from "../../kube/status.ts";
import type { Hub } from "../hub/hub.ts";
import { DamagedError } from "../store/rows.ts";

/**
 * What a client is told whose list can't be read from the store: 504, and its hub lists it anew.
 *
 * @throws `error` itself when it says something else
 */
export function answerDamaged(hub: Hub, error: unknown): Response {
  if (!(error instanceof DamagedError)) throw error;
  hub.damaged(error.key);
  const message = `${error.message}: it is fetched anew`;
  return statusResponse({ code: 504, reason: "Timeout", message });
}
