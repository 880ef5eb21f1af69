/**
 * Order of resourceVersions: decimal numbers of any length (KEP-5504), compared without losing digits.
 * Negative when `a` is older than `b`.
 */
export function compareResourceVersions(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The newer of two. */
export function newerResourceVersion(a: string, b: string): string {
  return compareResourceVersions(a, b) >= 0 ? a : b;
}

/** Whether a text is a resourceVersion that names a point: a positive decimal number without leading zeros. */
export function isResourceVersion(text: string): boolean {
  return /^[1-9][0-9]*$/.test(text);
}
