/** Tells of changes in directories. */
export interface DirectoryWatch extends Disposable {
  /** Also watches directories that were not there before; those that are not there yet are left out. */
  extend(paths: readonly string[]): void;
}

/**
 * Calls `changed` after anything in one of the directories (not below) was made, written, moved or removed, until
 * disposed. A directory that can't be watched is left out: whoever needs to know must look now and then, too.
 */
export function watchDirectories(
  paths: readonly string[],
  changed: () => void,
): DirectoryWatch {
  const watchers = new Map<string, Deno.FsWatcher>();
  const watch = async (path: string, watcher: Deno.FsWatcher) => {
    for await (const { kind, paths } of watcher) {
      if (kind !== "access") changed();
      // What is made in its place is another directory: this watcher would say nothing of it, and never end.
      if (kind === "remove" && paths.includes(path)) {
        watchers.delete(path);
        return watcher.close();
      }
    }
  };
  const extend = (more: readonly string[]) => {
    for (const path of more) {
      if (watchers.has(path)) continue;
      try {
        const watcher = Deno.watchFs(path, { recursive: false });
        watchers.set(path, watcher);
        void watch(path, watcher).catch(() => watchers.delete(path));
      } catch {
        // Not there yet, or too many watches on this host.
      }
    }
  };
  extend(paths);
  return {
    extend,
    [Symbol.dispose]() {
      for (const watcher of watchers.values()) watcher.close();
      watchers.clear();
    },
  };
}
