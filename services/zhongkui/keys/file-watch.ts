import { type FSWatcher, watch } from 'node:fs';
import { basename, dirname } from 'node:path';

/** The system may lose news, and tells none of some file systems. */
const LOOK_MS = 5_000;
/** One change tells itself several times. */
const SETTLE_MS = 20;

/**
 * Calls `look` soon after a file may have changed. The directory is watched and not the file: a file that is renamed into place is another one.
 * Does not keep the process from ending. @returns how to stop.
 */
export function watchFile(path: string, look: () => void): () => void {
  let settling: NodeJS.Timeout | undefined;
  const soon = (): void => {
    settling ??= setTimeout(() => {
      settling = undefined;
      look();
    }, SETTLE_MS).unref();
  };
  const timer = setInterval(look, LOOK_MS).unref();
  const name = basename(path);
  let watcher: FSWatcher | undefined;
  try {
    // A directory that is mounted changes by a link in it (`..data`), which has another name than the file.
    watcher = watch(dirname(path), { persistent: false }, (_, changed) => {
      if (changed === null || changed === name || changed.startsWith('..')) soon();
    });
    watcher.on('error', () => watcher?.close());
  } catch {
    // No more watches to be had: the timer looks.
  }
  return () => {
    clearInterval(timer);
    clearTimeout(settling);
    watcher?.close();
  };
}
