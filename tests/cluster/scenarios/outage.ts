/**
 * Links that go down, and agents that notice.
 *
 * @module
 */

import type { TestProxy } from "../../testing/test_proxy.ts";
import { until } from "../poll.ts";
import { PATIENCE_MS, type Site } from "./site.ts";

/** Waits until a proxy holds its link for what it is in a test: `up`, `down` or `rejected`. */
export async function linkIs(proxy: TestProxy, state: string): Promise<void> {
  await until(
    `the link to be ${state}`,
    async () => await proxy.metric("edge_agent_proxy_link_state_info", { state }) === 1,
    { timeoutMs: PATIENCE_MS },
  );
}

/** Waits until a proxy knows that its link is down; a request spares it the 10 s of an idle one. */
export async function noticeDown(proxy: TestProxy): Promise<void> {
  const answer = await proxy.fetch("/api/v1/nodes/any");
  await answer.body?.cancel();
  await linkIs(proxy, "down");
}

/** The ways in which a link goes down. */
export const OUTAGES = {
  refused: (site: Site) => site.cluster.link.refuse(),
  "black-holed": (site: Site) => site.cluster.link.blackhole(),
} as const;
