import type { Send } from "../../kube/reflector.ts";
import type { Identities } from "../identity/identity.ts";
import { fromCloud, readable } from "./forward.ts";
import type { Renewals } from "./renewals.ts";
import { UnreachableError, type Upstream } from "./upstream.ts";

/** How the reflectors of a caller ask the cloud. @param caller their key */
export function reflectorSend(
  caller: string,
  parts: {
    upstream: Pick<Upstream, "send">;
    identities: Pick<Identities, "credentialOf" | "answered">;
    renewals: Pick<Renewals, "signal">;
  },
): Send {
  const { upstream, identities, renewals } = parts;
  return async (pathAndQuery, { accept, purpose, signal }) => {
    const headers = new Headers({ accept, "user-agent": "edge-agent" });
    // A watch goes on with a new credential from where it stands; a list would have to begin anew.
    const ends = purpose === "watch" ? [signal, renewals.signal(caller)] : [signal];
    const credential = await readable(identities.credentialOf(caller));
    const request = {
      method: "GET",
      pathAndQuery,
      headers,
      purpose,
      signal: AbortSignal.any(ends),
    };
    const response = await upstream.send(credential, request);
    identities.answered(caller, credential, response.status);
    if (response.status === 401 && caller.startsWith("serviceaccount:")) {
      await response.body?.cancel();
      // The ServiceAccount may be in the best of health: its next token will do.
      throw new UnreachableError(`it no longer accepts the token of ${caller}`, {
        sent: false,
        answered: true,
      });
    }
    return await fromCloud(response, caller);
  };
}
