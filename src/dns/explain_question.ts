import type { Handled, Next } from "./chain.ts";
import { createAnswer } from "./wire/answer.ts";
import { createMessage, decodeMessage, encodeMessage } from "./wire/message.ts";
import { MAX_NAME_BYTES, nameKey, nameSize, parseName } from "./wire/name.ts";
import type { Query } from "./wire/query.ts";
import { formatRcode, RCODE } from "./wire/rcode.ts";
import { CLASS_IN, formatType, parseType, TYPE } from "./wire/record_type.ts";
import type { Client } from "./server/tcp_server.ts";

/** Class CH (RFC 1035 3.2.4): by custom, questions about the server itself. */
const CLASS_CH = 3;
/** First label of such a question: then the type, then the name in question. */
const LABEL = "explain";
/** Longest text of a TXT record's string. */
const MAX_STRING = 255;

/** Tells whether a client is this host: what the server knows is nothing for pods. */
export type IsHost = (client: Client) => boolean;

/**
 * Answers `explain.<type>.<name>` of class CH and type TXT with why `<name>` is answered as it is, from inside the
 * running server. Undefined for other questions, and for other clients than this host.
 */
export function createExplainer(
  chain: Next,
  isHost: IsHost,
): (query: Query, client: Client) => Promise<Handled> | undefined {
  return (query, client) => {
    const asked = query.class === CLASS_CH && query.type === TYPE.TXT && isHost(client)
      ? readAsked(query.name)
      : undefined;
    return asked === undefined ? undefined : explain(chain, query.name, asked, client);
  };
}

function readAsked(name: string): { name: string; type: number } | undefined {
  // Without more labels it is the root that is meant.
  const [label, typeText, ...rest] = name.split(".");
  if (label !== LABEL || typeText === undefined) return undefined;
  try {
    return { name: rest.join("."), type: parseType(typeText) };
  } catch {
    return undefined;
  }
}

async function explain(
  chain: Next,
  question: string,
  { name, type }: { name: string; type: number },
  client: Client,
): Promise<Handled> {
  const query = { name, type, class: CLASS_IN, recursionDesired: true, checkingDisabled: false };
  const { answer, source, why, upstream } = await chain({ query, transport: "tcp", client });
  const empty = answer.rcode === RCODE.NOERROR && answer.answers === 0;
  const lines = [
    `${name}. ${formatType(type)}: ${empty ? "NODATA" : formatRcode(answer.rcode)}`,
    `from: ${source}${upstream === undefined ? "" : ` (${upstream})`}`,
    `because: ${why}`,
    ...(answer.extendedError === undefined ? [] : [`said with it: ${answer.extendedError.text}`]),
  ];
  const encoder = new TextEncoder();
  const strings = lines.map((line) => encoder.encode(line).subarray(0, MAX_STRING));
  const data = { kind: "txt" as const, strings };
  const record = { name: question, type: TYPE.TXT, class: CLASS_CH, ttlSeconds: 0, data };
  return {
    answer: createAnswer(question, { rcode: RCODE.NOERROR, answers: [record] }),
    source: "none",
    why: "an explanation",
  };
}

/**
 * The packet that asks a running server to explain an answer.
 *
 * @throws {SyntaxError} for what is no name, a name that is too long to be asked about, or no type
 */
export function formatExplainQuestion(id: number, name: string, type: string): Uint8Array {
  parseType(type);
  const before = `${LABEL}.${type.toLowerCase()}`;
  const key = nameKey(parseName(name));
  const asked = key === "" ? before : `${before}.${key}`;
  if (nameSize(asked) > MAX_NAME_BYTES) {
    const most = MAX_NAME_BYTES - before.length - 1;
    throw new SyntaxError(
      `Cannot ask about "${name}": it has ${
        nameSize(key)
      } bytes, and with "${before}." before it ${most} are possible`,
    );
  }
  const question = { name: asked, type: TYPE.TXT, class: CLASS_CH };
  return encodeMessage(createMessage({ id, questions: [question] }));
}

/** The lines of an explanation. @throws {SyntaxError} when the server did not give one */
export function parseExplanation(packet: Uint8Array): string[] {
  const { rcode, answers } = decodeMessage(packet);
  const data = answers[0]?.data;
  // Of another class than IN: nobody knows what is in it but us.
  if (data?.kind !== "opaque") {
    throw new SyntaxError(`the server does not explain: it says ${formatRcode(rcode)}`);
  }
  const lines: string[] = [];
  for (let at = 0; at < data.bytes.length;) {
    const end = at + 1 + data.bytes[at]!;
    lines.push(new TextDecoder().decode(data.bytes.subarray(at + 1, end)));
    at = end;
  }
  return lines;
}
