import type { FileSystem, OpenFile } from './file-system.ts';

/**
 * The same files, and word of each sync that failed, whichever file or directory it was of. A system may drop what it could not write and report
 * that once: a second sync that succeeds says nothing of what the first one lost, so whoever hears of one must write nothing more here.
 */
export function withFinalSyncs(files: FileSystem, onFailed: (error: unknown) => void): FileSystem {
  const telling = (sync: Promise<void>): Promise<void> =>
    sync.catch((error: unknown) => {
      onFailed(error);
      throw error;
    });
  return {
    open: async (path, flags, mode) => {
      const file = await files.open(path, flags, mode);
      return {
        read: (into, offset, length, position) => file.read(into, offset, length, position),
        write: (bytes, offset, length, position) => file.write(bytes, offset, length, position),
        truncate: (length) => file.truncate(length),
        sync: () => telling(file.sync()),
        datasync: () => telling(file.datasync()),
        stat: () => file.stat(),
        close: () => file.close(),
      } satisfies OpenFile;
    },
    readFile: (path) => files.readFile(path),
    bytesOf: (path) => files.bytesOf(path),
    list: (dir) => files.list(dir),
    makeDir: (dir) => files.makeDir(dir),
    rename: (from, to) => files.rename(from, to),
    remove: (path) => files.remove(path),
    freeBytes: (dir) => files.freeBytes(dir),
  };
}
