import { AgentError, errorMessage } from "../../kernel/errors.ts";

/** The cloud gave no answer; `sent` tells whether the request may have reached it. */
export class UnreachableError extends AgentError {
  readonly code = "unreachable";
  readonly sent: boolean;
  /** Something in between answered, or the cloud refused the agent's own credential: no matter of the link. */
  readonly answered: boolean;

  constructor(cause: unknown, facts: { sent: boolean; answered?: boolean }) {
    super(`Cannot reach the cloud: ${errorMessage(cause)}`, { cause });
    this.sent = facts.sent;
    this.answered = facts.answered ?? false;
  }
}
