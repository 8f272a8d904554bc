import { escapePath, escapeSegment } from '../../base/escape-segment.ts';
import { isPlainPath } from '../../base/plain-path.ts';
import { checkName, childPath, formatPath, parsePath } from './path.ts';

/**
 * What requests touch, as `pangu://<cluster>/<path>`, with what names of resources may not hold escaped. Read by the same parser that the operations use, so what is checked is what is used; a path that is
 * none throws as it does there. Whoever may write at a path may also have its missing parents made, and move it away.
 */
export function pathResource(path: string, cluster: string): string {
  // Most paths are plain and mean themselves; to take one apart and put it together again costs as much as half a call.
  if (isPlainPath(path)) return `pangu://${cluster}${path}`;
  return `pangu://${cluster}${escapePath(formatPath(parsePath(path, cluster).names))}`;
}

interface Publication {
  directory: string;
  files: readonly { from: string; name: string }[];
}

/** Each directory that is to appear, with what is in it, and each file that moves there. */
export function publicationResources(publications: readonly Publication[], cluster: string): string[] {
  // To publish nothing changes nothing; it is asked of the whole, since it names nothing.
  if (publications.length === 0) return [`pangu://${cluster}/`];
  return publications.flatMap(({ directory, files }) => {
    const into = escapePath(formatPath(parsePath(directory, cluster).names));
    return [`pangu://${cluster}${into}`, ...files.flatMap((file) => fileResources(file, into, cluster))];
  });
}

function fileResources({ from, name }: { from: string; name: string }, into: string, cluster: string): string[] {
  checkName(name, into);
  return [pathResource(from, cluster), `pangu://${cluster}${childPath(into, escapeSegment(name))}`];
}
