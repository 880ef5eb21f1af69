/**
 * Label and field selectors, as `k8s.io/apimachinery/pkg/labels` and `pkg/fields` read them.
 */

/** One condition; all of a selector's conditions must hold. */
export type Requirement =
  | { operator: "exists" | "not-exists"; key: string }
  | { operator: "in" | "not-in"; key: string; values: readonly string[] };

/** A parsed selector; the empty one selects everything. */
export type Selector = readonly Requirement[];

const KEY = "[A-Za-z0-9./_-]+";
const SET = new RegExp(`^(${KEY})\\s+(in|notin)\\s*\\(([^()]*)\\)$`);
const EQUALITY = new RegExp(`^(${KEY})\\s*(=|==|!=)\\s*([^\\s=!(),]*)$`);
const EXISTENCE = new RegExp(`^(!?)\\s*(${KEY})$`);

/** Reads a label selector such as `app=web,tier in (a, b),!canary`. @throws {SyntaxError} */
export function parseLabelSelector(text: string): Selector {
  return splitTerms(text).map((term): Requirement => {
    const set = SET.exec(term);
    if (set) {
      const values = set[3]!.split(",").map((value) => value.trim());
      return { operator: set[2] === "in" ? "in" : "not-in", key: set[1]!, values };
    }
    const equality = EQUALITY.exec(term);
    if (equality) {
      return {
        operator: equality[2] === "!=" ? "not-in" : "in",
        key: equality[1]!,
        values: [equality[3]!],
      };
    }
    const existence = EXISTENCE.exec(term);
    if (existence) {
      return { operator: existence[1] === "!" ? "not-exists" : "exists", key: existence[2]! };
    }
    throw new SyntaxError(`Cannot read the label selector "${text}": "${term}" is no requirement`);
  });
}

/** Reads a field selector such as `spec.nodeName=a,status.phase!=Running`. @throws {SyntaxError} */
export function parseFieldSelector(text: string): Selector {
  return text.split(/(?<!\\),/).filter((term) => term !== "").map((term): Requirement => {
    const match = /^([A-Za-z0-9.[\]'_-]+)(==|=|!=)(.*)$/s.exec(term);
    if (!match) {
      throw new SyntaxError(
        `Cannot read the field selector "${text}": "${term}" is no requirement`,
      );
    }
    const values = [match[3]!.replaceAll(/\\([\\,=])/g, "$1")];
    return { operator: match[2] === "!=" ? "not-in" : "in", key: match[1]!, values };
  });
}

/**
 * Whether the values satisfy a selector. As in Kubernetes, a key that is not there satisfies `!=` and
 * `notin`.
 *
 * @param valueOf the value of a label or field; undefined where there is none
 */
export function matchesSelector(
  selector: Selector,
  valueOf: (key: string) => string | undefined,
): boolean {
  return selector.every((requirement) => {
    const value = valueOf(requirement.key);
    switch (requirement.operator) {
      case "exists":
        return value !== undefined;
      case "not-exists":
        return value === undefined;
      case "in":
        return value !== undefined && requirement.values.includes(value);
      case "not-in":
        return value === undefined || !requirement.values.includes(value);
      default:
        return requirement satisfies never;
    }
  });
}

/** The name that a field selector pins (`metadata.name=x`); undefined if it pins none. */
export function selectedName(fieldSelector: string): string | undefined {
  const match = /^metadata\.name==?([^,\\]+)$/.exec(fieldSelector);
  return match?.[1];
}

function splitTerms(text: string): string[] {
  // Commas inside "in (a,b)" do not part requirements.
  return text.split(/,(?![^(]*\))/).map((term) => term.trim()).filter((term) => term !== "");
}
