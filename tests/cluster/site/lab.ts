/**
 * What every test of a site stands on: one real cloud per file, and for each test a site of its own.
 *
 * @module
 */

import { type Cluster, type ClusterOptions, hasNetAdmin, startCluster } from "../cluster.ts";
import { EdgeSite, type SiteOptions } from "./edge_site.ts";

export { note } from "../scenarios/site.ts";

/** What may differ between the clouds of two files. */
export interface LabOptions {
  /** Put behind our own arguments of the cloud's processes. */
  readonly extraArguments?: ClusterOptions["extraArguments"];
  /**
   * Off where the tests restart a process of the cloud: it began before the test and ends in it, or the
   * other way round.
   */
  readonly sanitize?: boolean;
}

/** Registers a test that gets a site of its own. */
export type TestSite = (
  name: string,
  body: (site: EdgeSite) => Promise<void>,
  options?: SiteOptions,
) => void;

/** Starts a cloud before the first test of a file and returns what registers its tests. */
export async function shareLab(
  { extraArguments, sanitize = true }: LabOptions = {},
): Promise<TestSite> {
  const can = await hasNetAdmin();
  if (!can.ok) await Deno.stderr.write(new TextEncoder().encode(`ignored: ${can.reason}\n`));
  let cluster: Cluster;
  Deno.test.beforeAll(async () => {
    // Without the controller manager nobody but the test and flanneld changes a node.
    if (can.ok) cluster = await startCluster({ controllerManager: false, extraArguments });
  });
  Deno.test.afterAll(async () => await cluster?.[Symbol.asyncDispose]());
  return (name, body, options) =>
    Deno.test({
      name,
      ignore: !can.ok,
      sanitizeOps: sanitize,
      sanitizeResources: sanitize,
      async fn() {
        await using site = await EdgeSite.create(cluster, options);
        await body(site);
      },
    });
}
