/**
 * The two calls of etcd's JSON gateway that a test needs.
 *
 * @module
 */

/** Forgets all history up to now; returns the revision. */
export async function compactNow(url: string): Promise<string> {
  // The revision that is compacted stays readable, so it must be one that no client has seen.
  const key = btoa("/edge-agent-tests/compaction");
  const { header } = await call(`${url}/v3/kv/put`, { key, value: "" });
  await call(`${url}/v3/kv/compaction`, { revision: header.revision, physical: true });
  return header.revision;
}

async function call(
  url: string,
  body: Record<string, unknown>,
): Promise<{ header: { revision: string } }> {
  const response = await fetch(url, { method: "POST", body: JSON.stringify(body) });
  const text = await response.text();
  if (!response.ok) throw new Error(`Cannot call ${url}: ${response.status} ${text}`);
  return JSON.parse(text);
}
