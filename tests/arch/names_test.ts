import assert from "node:assert/strict";
import { basename } from "node:path/posix";
import { readSources } from "./sources.ts";

/** Names that tell nothing of what is inside. */
const SAYS_NOTHING =
  /^(index|utils?|helpers?|common|types?|misc|shared|constants|interfaces?)(_test)?\.ts$|manager|_impl|^i_/;

async function typescript(): Promise<string[]> {
  const sources = await readSources(/^(main\.ts|(src|tests|dist)\/.*\.ts)$/);
  assert.ok(sources.length > 0);
  return sources.map(({ path }) => path);
}

Deno.test("files and folders are named in snake_case", async () => {
  const wrong = (await typescript()).filter((path) =>
    !path.split("/").every((part) => /^[a-z][a-z0-9]*(_[a-z0-9]+)*(\.ts)?$/.test(part))
  );
  assert.deepEqual(wrong, []);
});

Deno.test("file names say what is inside", async () => {
  assert.deepEqual((await typescript()).filter((path) => SAYS_NOTHING.test(basename(path))), []);
});

Deno.test("types are not called I…, …Impl or …Schema", async () => {
  const wrong: string[] = [];
  for (const { path, text } of await readSources(/^(src|tests|dist)\/.*\.ts$/)) {
    for (const [, name] of text.matchAll(/\b(?:class|interface|type)\s+([A-Z]\w+)/g)) {
      if (/^I[A-Z][a-z]|Impl$|Schema$/.test(name!)) wrong.push(`${path}: ${name}`);
    }
  }
  assert.deepEqual(wrong, []);
});
