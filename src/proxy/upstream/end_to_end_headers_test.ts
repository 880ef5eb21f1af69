import assert from "node:assert/strict";
import { endToEndHeaders } from "./end_to_end_headers.ts";

const names = (
  headers: Record<string, string>,
) => [...endToEndHeaders(new Headers(headers)).keys()];

Deno.test("endToEndHeaders() keeps what is meant for the cloud", () => {
  const kept = ["accept", "content-type", "if-none-match", "impersonate-user", "user-agent"];
  assert.deepEqual(names(Object.fromEntries(kept.map((name) => [name, "x"]))), kept);
});

Deno.test("endToEndHeaders() drops what only this hop may see, and who somebody says they are", () => {
  assert.deepEqual(
    names({
      "Authorization": "Bearer local",
      "Connection": "keep-alive, X-Of-This-Hop",
      "Transfer-Encoding": "chunked",
      "Content-Length": "3",
      "Expect": "100-continue",
      "Host": "127.0.0.1",
      "X-Of-This-Hop": "1",
      "X-Remote-User": "system:admin",
      "x-remote-extra-scopes": "all",
    }),
    [],
  );
});

Deno.test("endToEndHeaders() takes no name for one that is none", () => {
  assert.deepEqual(names({ connection: "a b, , accept:", accept: "x" }), ["accept"]);
});

Deno.test("endToEndHeaders() leaves the client's own headers as they are", () => {
  const headers = new Headers({ authorization: "Bearer local" });
  endToEndHeaders(headers);
  assert.equal(headers.get("authorization"), "Bearer local");
});
