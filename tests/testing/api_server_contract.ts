import { DISCOVERY_CASES } from "./api_server_contract/discovery_cases.ts";
import { LIST_CASES } from "./api_server_contract/list_cases.ts";
import { OBJECT_CASES } from "./api_server_contract/object_cases.ts";
import { type ContractTarget, Scratch } from "./api_server_contract/scratch.ts";
import { VIEW_CASES } from "./api_server_contract/view_cases.ts";
import { WATCH_CASES } from "./api_server_contract/watch_cases.ts";
import { WATCH_LIST_CASES } from "./api_server_contract/watch_list_cases.ts";

export type { ContractTarget } from "./api_server_contract/scratch.ts";

/**
 * What the proxy relies on in a kube-apiserver, one test each. Run on the real one and on the fake, so that
 * the fake can't drift. Each test makes a namespace of its own and assumes neither an empty cluster nor any
 * resourceVersion. `connect` gives a client that may do everything.
 */
export function apiServerContract(
  name: string,
  connect: () => Promise<ContractTarget>,
  /** `sanitize` off: the target is shared, its connections outlive a test. */
  { sanitize = true }: { sanitize?: boolean } = {},
): void {
  const cases = [
    ...DISCOVERY_CASES,
    ...OBJECT_CASES,
    ...LIST_CASES,
    ...VIEW_CASES,
    ...WATCH_CASES,
    ...WATCH_LIST_CASES,
  ];
  for (const { name: behaviour, run } of cases) {
    Deno.test({
      name: `${name}: ${behaviour}`,
      sanitizeOps: sanitize,
      sanitizeResources: sanitize,
      async fn() {
        await using target = await connect();
        await using scratch = await Scratch.create(target);
        await run(scratch);
      },
    });
  }
}
