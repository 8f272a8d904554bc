import type { SplitsFile } from '../contract.ts';

/** Files that an instance reads a part of. */
export function inputFilesOf(splits: SplitsFile, instance: number): string[] {
  const indexes = new Set((splits.instances[instance] ?? []).map(([file]) => file));
  return [...indexes].map((index) => splits.files[index]!);
}

/** At most `max` paths that the given ones are or lie below: as they are if they are few, or else the directories that hold them, as far down as will do. */
export function narrowest(paths: readonly string[], max: number): string[] {
  let narrow = new Set(paths);
  while (narrow.size > max) {
    const depth = Math.max(...[...narrow].map(depthOf));
    narrow = new Set([...narrow].map((path) => (depthOf(path) === depth ? parentOf(path) : path)));
  }
  // What lies below another one is covered by it.
  return [...narrow].filter((path) => !ancestorsOf(path).some((ancestor) => narrow.has(ancestor)));
}

const depthOf = (path: string): number => (path === '/' ? 0 : path.split('/').length - 1);
const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/';

function ancestorsOf(path: string): string[] {
  const ancestors = [];
  for (let above = path; above !== '/'; ) ancestors.push((above = parentOf(above)));
  return ancestors;
}
