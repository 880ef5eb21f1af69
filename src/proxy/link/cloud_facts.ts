import { parseJson } from "../../kube/codec/json.ts";
import {
  compareResourceVersions,
  isResourceVersion,
  newerResourceVersion,
} from "../../kube/resource_version.ts";

/** What tells one cluster from another, and an older state of one from a newer. */
export interface CloudFacts {
  /** UID of the Namespace `kube-system`, which is never deleted. */
  namespaceUid?: string;
  /** UID of the Service `default/kubernetes`, which every node may read. */
  serviceUid?: string;
  /** Newest version of the cluster when it was asked; empty if nobody may ask. */
  resourceVersion: string;
}

/** The same as it was last met, and what is known of its past. */
export interface KnownCloud extends CloudFacts {
  /** Versions up to here, ahead of what the cloud says now, are of a history that it gave up. */
  forgottenTo: string;
}

/**
 * `first`: never met before. `restored`: the same cluster, gone back to an older state, as from a backup.
 * `replaced`: another cluster.
 */
export type Verdict = "first" | "same" | "restored" | "replaced";

/** The questions that tell, best first. One item each, and the version of its list is the cluster's. */
export const QUESTIONS = [
  {
    fact: "namespaceUid",
    path: "/api/v1/namespaces?fieldSelector=metadata.name%3Dkube-system&limit=1",
  },
  {
    fact: "serviceUid",
    path: "/api/v1/namespaces/default/services?fieldSelector=metadata.name%3Dkubernetes&limit=1",
  },
] as const;

/** Reads the answer to a question. @throws {SyntaxError} when it is no list */
export function readFacts(fact: (typeof QUESTIONS)[number]["fact"], body: Uint8Array): CloudFacts {
  const list = parseJson(body) as {
    metadata?: { resourceVersion?: string };
    items?: { metadata?: { uid?: string } }[];
  };
  const resourceVersion = list.metadata?.resourceVersion ?? "";
  if (!isResourceVersion(resourceVersion)) {
    throw new SyntaxError(`Cannot tell the cluster: the resourceVersion is "${resourceVersion}"`);
  }
  const uid = list.items?.[0]?.metadata?.uid;
  return { resourceVersion, ...(uid !== undefined && { [fact]: uid }) };
}

/**
 * Compares what was found with what is known.
 *
 * @param highest newest version that the agent has seen of it; versions of a cluster only rise
 */
export function judge(known: KnownCloud | undefined, found: CloudFacts, highest: string): Verdict {
  for (const { fact } of QUESTIONS) {
    const [before, now] = [known?.[fact], found[fact]];
    if (before === undefined || now === undefined) continue;
    if (before !== now) return "replaced";
    break; // the better fact decides
  }
  const older = found.resourceVersion !== "" && highest !== "" &&
    compareResourceVersions(found.resourceVersion, highest) < 0;
  if (older) return "restored";
  return known === undefined ? "first" : "same";
}

/** What is known from now on. */
export function learn(
  known: KnownCloud | undefined,
  found: CloudFacts,
  verdict: Verdict,
  highest: string,
): KnownCloud {
  const forgotten = known?.forgottenTo ?? "";
  // Nobody may have been allowed to ask this time.
  const resourceVersion = found.resourceVersion || (known?.resourceVersion ?? "");
  switch (verdict) {
    case "first":
    case "same":
      return { ...known, ...found, resourceVersion, forgottenTo: forgotten };
    case "restored":
      return { ...known, ...found, forgottenTo: newerResourceVersion(forgotten, highest) };
    case "replaced":
      return { ...found, forgottenTo: newerResourceVersion(forgotten, highest) };
    default:
      return verdict satisfies never;
  }
}
