import { type ByteStream, splice } from "../../kernel/byte_stream.ts";
import { abortable } from "../../kube/body.ts";
import { concatBytes } from "../../kube/codec/json.ts";
import { statusResponse } from "../../kube/status.ts";
import { formatHead } from "../../platform/http_head.ts";
import { fromCloud } from "../upstream/forward.ts";
import type { UpgradeAnswer } from "../upstream/upgrader.ts";
import { UnreachableError } from "../upstream/upstream.ts";
import { describeRequest, type LaneContext, type LaneHandler, prove } from "./lane_context.ts";

/** How the sides of a splice are called here. */
const SIDES = { left: "client", right: "cloud", aborted: "agent" } as const;

/**
 * exec, attach, port-forward and every other request to leave HTTP: the cloud is asked on a connection of its
 * own, and when it agrees, the client's socket and that one are spliced. Nothing of it is read or kept.
 */
export function createUpgradeLane(context: LaneContext): LaneHandler {
  const { upgrader, marks, metrics } = context;
  return async (request) => {
    const what = `Cannot ${describeRequest(request)}`;
    const { connection } = request;
    if (connection?.canLeaveHttp !== true) {
      metrics.answered("upgrade", "unknown");
      return statusResponse({
        code: 501,
        reason: "NotImplemented",
        message:
          `${what}: this listener can not switch protocols (it takes HTTP/1.1, and the runtime of edge-agent Deno 2.9 or later); use the API server's own address`,
      });
    }
    try {
      const answer = await upgrader.ask(request, await request.readBody());
      if (answer.kind === "answered") {
        const { info, caller } = request;
        const proxied = info.kind === "resource" && info.subresource === "proxy";
        const response = await fromCloud(answer.response, caller.key, { proxied });
        prove(context, request, response);
        metrics.answered("upgrade", "cloud");
        return response;
      }
      const client = connection.takeOver();
      if (client === undefined) {
        // Gone while the cloud was asked.
        answer.cloud.close();
        return new Response(null, { status: 503 });
      }
      metrics.answered("upgrade", "cloud");
      void carry(context, client, answer);
      // Goes nowhere: the connection has left HTTP.
      return new Response(null, { status: 204 });
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
      metrics.answered("upgrade", "unknown");
      return error.sent ? marks.outcomeUnknown(what) : marks.notSent(what);
    }
  };
}

/** Hands the cloud's 101 to the client, and then everything both ways. Never rejects. */
async function carry(
  { clock, metrics, stop }: LaneContext,
  client: ByteStream,
  { cloud, head, early, cut }: UpgradeAnswer & { kind: "switched" },
): Promise<void> {
  const signal = AbortSignal.any([stop, cut]);
  metrics.tunnels.inc();
  try {
    const start = `HTTP/1.1 ${head.status} ${head.statusText}`.trimEnd();
    await abortable(client.write(concatBytes([formatHead(start, head.headers), early])), signal);
  } catch {
    // The splice sees for itself that a side is gone.
  }
  const end = await splice([client, cloud], { clock, signal });
  metrics.tunnels.dec();
  metrics.tunnelsEnded.inc({ side: SIDES[end] });
}
