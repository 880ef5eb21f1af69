/**
 * Whether a listener without credentials may be called by this name: an IP address, `localhost` or one of `names`.
 * A page of another site whose name was rebound to 127.0.0.1 sends that name, and must learn nothing.
 *
 * @param hostname of a parsed URL, which has turned whatever is an IPv4 address into four decimal numbers
 */
export function isOwnName(hostname: string, names: readonly string[] = []): boolean {
  return hostname.startsWith("[") || /^\d+(\.\d+){3}$/.test(hostname) || hostname === "localhost" ||
    names.some((name) => name.toLowerCase() === hostname);
}
