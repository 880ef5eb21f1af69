import type { Context } from "hono";
import { FakeApiServer } from "../../src/demo/fake_api_server.ts";
import { encode, encodeList, encodeMeta, encodeObject, type Message } from "../testing/protobuf.ts";
import { CLOUD_TOKEN } from "./agent_process.ts";

const TYPE = "application/vnd.kubernetes.protobuf";

const VERSION = "1000000";
const PAGE = 500;

/** A cloud with pods of about 3 KB each, in protobuf alone; a watch of them is silent but for a bookmark. */
export function startProtobufCloud(pods: number): Promise<FakeApiServer> {
  const items = Array.from({ length: pods }, (_, i) => encode(pod(i)));
  const bookmark = watchFrame(VERSION);
  return FakeApiServer.start({
    tokens: { [CLOUD_TOKEN]: "bench" },
    routes: (app) =>
      app.get("/api/v1/pods", (c) => {
        const headers = { "content-type": TYPE };
        const url = new URL(c.req.url);
        if (url.searchParams.has("watch")) {
          return new Response(silentAfter(bookmark, c), {
            headers: { "content-type": `${TYPE};stream=watch` },
          });
        }
        const from = Number(url.searchParams.get("continue") ?? 0);
        const token = from + PAGE < pods ? String(from + PAGE) : "";
        const page = items.slice(from, from + PAGE);
        return new Response(encodeList({ resourceVersion: VERSION, token }, page), { headers });
      }),
  });
}

function pod(i: number): Message {
  const app = `app-${i % 200}`;
  const meta = encodeMeta({
    name: `${app}-${i}`,
    namespace: `ns-${i % 20}`,
    uid: `uid-${i}`,
    resourceVersion: String(1_000 + i),
    labels: { app },
  });
  const env = Array.from({ length: 30 }, (_, n): [number, Message] => [
    7,
    [[1, `SETTING_${n}`], [2, "x".repeat(75)]],
  ]);
  const container: Message = [[1, app], [2, `example.com/team/${app}:1.2.${i % 10}`], ...env];
  return [[1, meta], [2, [[2, container], [10, `node-${i % 100}`]]], [3, [[1, "Running"]]]];
}

/** A BOOKMARK as kube-apiserver frames it: four bytes of length, then a WatchEvent. */
function watchFrame(resourceVersion: string): Uint8Array<ArrayBuffer> {
  const object = encodeObject("v1", "Pod", { 1: { 6: resourceVersion } });
  const event = encode([[1, "BOOKMARK"], [2, [[1, object]]]]);
  const frame = new Uint8Array(4 + event.length);
  new DataView(frame.buffer).setUint32(0, event.length);
  frame.set(event, 4);
  return frame;
}

function silentAfter(bytes: Uint8Array<ArrayBuffer>, { req }: Context): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(bytes);
      req.raw.signal.addEventListener("abort", () => controller.close(), { once: true });
    },
  });
}
