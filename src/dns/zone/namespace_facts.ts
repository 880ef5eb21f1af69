import { placeOf } from "./loose_object.ts";

/** What the zone knows of a Namespace: that it is there. */
export interface NamespaceFacts {
  name: string;
}

/** Reads a Namespace (`v1.Namespace`, decoded JSON). @throws {SyntaxError} when it is none */
export function toNamespaceFacts(namespace: unknown): NamespaceFacts {
  return { name: placeOf(namespace, "Namespace", "cluster").name };
}
