/**
 * Label and field selectors, as `k8s.io/apimachinery/pkg/labels` and `pkg/fields` read them.
 */

/** One condition; all of a selector's conditions must hold. */
export type Requirement =
  | { operator: "exists" | "not-exists"; key: string }
  | { operator: "in" | "not-in"; key: string; values: readonly string[] }
  | { operator: "greater" | "less"; key: string; than: bigint };

/** A parsed selector; the empty one selects everything. */
export type Selector = readonly Requirement[];

const TOKEN = /[ \t\r\n]*(==|!=|[=!(),<>]|[^ \t\r\n=!(),<>]+)/y;
const WORD = /^[^=!(),<>]/;
const INTEGER = /^[+-]?\d+$/;
/** What validation.go of apimachinery accepts as a label's name, prefix and value. */
const NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const PREFIX = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/**
 * Reads a label selector such as `app=web,tier in (a, b),!canary,size>3`. Accepts no more than the
 * kube-apiserver does: what that refuses must not be answered here.
 *
 * @throws {SyntaxError}
 */
export function parseLabelSelector(text: string): Selector {
  const refuse = (found: string) =>
    new SyntaxError(`Cannot read the label selector "${text}": "${found}" is not expected there`);
  const tokens = tokensOf(text);
  if (tokens === undefined) throw refuse(text);
  const requirements: Requirement[] = [];
  let at = 0;
  while (at < tokens.length) {
    const negated = tokens[at] === "!";
    if (negated) at++;
    const key = tokens[at++] ?? "";
    if (!isLabelKey(key)) throw refuse(key);
    const operator = tokens[at];
    if (operator === undefined || operator === ",") {
      requirements.push({ operator: negated ? "not-exists" : "exists", key });
    } else {
      if (negated) throw refuse(operator);
      at++;
      const listed = operator === "in" || operator === "notin";
      const end = listed ? tokens.indexOf(")", at) : isEnd(tokens[at]) ? at : at + 1;
      if (listed && (tokens[at] !== "(" || end < 0)) throw refuse(tokens[at] ?? "");
      const values = listed
        ? valuesOf(tokens.slice(at + 1, end))
        : [tokens.slice(at, end)[0] ?? ""];
      const bad = values?.find((value) => value !== "" && !NAME.test(value)) ??
        (values === undefined ? operator : undefined);
      const requirement = bad === undefined && toRequirement(key, operator, values!);
      if (!requirement) throw refuse(bad ?? operator);
      requirements.push(requirement);
      at = listed ? end + 1 : end;
    }
    if (at === tokens.length) break;
    if (tokens[at] !== "," || at + 1 === tokens.length) throw refuse(tokens[at]!);
    at++;
  }
  return requirements;
}

function tokensOf(text: string): string[] | undefined {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  // By hand: a regular expression for the end of a text takes quadratic time, and anybody may send one.
  let end = text.length;
  while (end > 0 && " \t\r\n".includes(text[end - 1]!)) end--;
  const whole = text.slice(0, end);
  while (TOKEN.lastIndex < whole.length) {
    const token = TOKEN.exec(whole)?.[1];
    if (token === undefined) return undefined;
    tokens.push(token);
  }
  return tokens;
}

function isEnd(token: string | undefined): boolean {
  return token === undefined || token === ",";
}

/** The values between parentheses; undefined when words are not parted by commas. */
function valuesOf(tokens: readonly string[]): string[] | undefined {
  const values = [""];
  for (const token of tokens) {
    if (token === ",") values.push("");
    else if (!WORD.test(token) || values.at(-1) !== "") return undefined;
    else values[values.length - 1] = token;
  }
  return values;
}

function toRequirement(
  key: string,
  operator: string,
  values: string[],
): Requirement | undefined {
  switch (operator) {
    case "=":
    case "==":
    case "in":
      return { operator: "in", key, values };
    case "!=":
    case "notin":
      return { operator: "not-in", key, values };
    case ">":
    case "<":
      if (!INTEGER.test(values[0]!)) return undefined;
      return { operator: operator === ">" ? "greater" : "less", key, than: BigInt(values[0]!) };
    default:
      return undefined;
  }
}

function isLabelKey(key: string): boolean {
  const [name = "", prefix, ...more] = key.split("/").reverse();
  return more.length === 0 && NAME.test(name) && (prefix === undefined || PREFIX.test(prefix));
}

/** Reads a field selector such as `spec.nodeName=a,status.phase!=Running`. @throws {SyntaxError} */
export function parseFieldSelector(text: string): Selector {
  return text.split(/(?<!\\),/).filter((term) => term !== "").map((term): Requirement => {
    const match = /^([A-Za-z0-9.[\]'_-]+)(==|=|!=)((?:[^\\,=]|\\[\\,=])*)$/s.exec(term);
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
      case "greater":
        return INTEGER.test(value ?? "") && BigInt(value!) > requirement.than;
      case "less":
        return INTEGER.test(value ?? "") && BigInt(value!) < requirement.than;
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
