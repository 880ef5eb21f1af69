/** The agent's version; a test holds it equal to that of deno.json, which the bundle does not carry. */
export const AGENT_VERSION = "0.1.0";
