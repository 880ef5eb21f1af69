/** RFC 9110 7.6.1, and what only concerns the hop to the agent. */
const OF_THIS_HOP = [
  "connection",
  "proxy-connection",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "host",
  "content-length",
  "accept-encoding",
  // The body has been read already.
  "expect",
  // The agent shows the cloud a credential of its own choice.
  "authorization",
];

/** The headers of a client's request that are meant for the cloud. */
export function endToEndHeaders(headers: Headers): Headers {
  const meant = new Headers(headers);
  for (const name of [...meant.keys()]) {
    // Only an aggregator that the cloud trusts may say who somebody is.
    if (name.startsWith("x-remote-")) meant.delete(name);
  }
  for (const name of connectionOptions(headers)) meant.delete(name);
  for (const name of OF_THIS_HOP) meant.delete(name);
  return meant;
}

/** The headers that a client itself calls hop-by-hop. */
function connectionOptions(headers: Headers): string[] {
  return (headers.get("connection") ?? "").split(",").map((name) => name.trim())
    .filter((name) => /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name));
}
