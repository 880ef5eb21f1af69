import { type Fs, isNotFound } from "../../platform/fs.ts";
import type { ConfFile } from "./conflist.ts";

/** Reads the folder of networks; empty when it is not there. */
export async function readConfDir(fs: Fs, dir: string): Promise<ConfFile[]> {
  const names = await fs.list(dir).catch((error) => {
    if (isNotFound(error)) return [];
    throw error;
  });
  const files = await Promise.all(names.map(async (name) => ({
    name,
    text: await fs.readText(`${dir}/${name}`).catch(() => undefined),
  })));
  // What vanished since, or is a folder, is none.
  return files.filter((file): file is ConfFile => file.text !== undefined);
}
