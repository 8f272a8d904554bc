import picomatch from 'picomatch';
import { hasCode } from '../../base/errors.ts';
import type { FileStat, GlobOptions } from '../contract.ts';
import { parseGlob } from '../core/glob-pattern.ts';
import { childPath, compareBytewise } from '../core/path.ts';

export interface GlobSource {
  readonly cluster: string;
  stat(path: string): Promise<FileStat>;
  readdir(path: string): AsyncIterable<FileStat>;
}

/** Walks only where the pattern can lead: straight down its literal names, and through directories that match. */
export async function glob(source: GlobSource, pattern: string, { directories = false }: GlobOptions = {}): Promise<FileStat[]> {
  const segments = parseGlob(pattern, source.cluster);
  const matchers = segments.map((segment) => (segment.kind === 'wild' ? picomatch(segment.pattern, { dot: true }) : undefined));
  const found = new Map<string, FileStat>();

  const visit = async (directory: string, index: number): Promise<void> => {
    const segment = segments[index]!;
    const last = index === segments.length - 1;
    if (segment.kind === 'literal') return visitLiteral(childPath(directory, segment.name), index);
    if (segment.kind === 'deep' && !last) await visit(directory, index + 1);
    for await (const entry of entriesOf(directory)) {
      const name = entry.path.slice(entry.path.lastIndexOf('/') + 1);
      if (segment.kind === 'deep') {
        if (entry.type === 'directory') await visit(entry.path, index);
        else if (last) found.set(entry.path, entry);
      } else if (matchers[index]!(name)) {
        if (last && (directories || entry.type === 'file')) found.set(entry.path, entry);
        else if (!last && entry.type === 'directory') await visit(entry.path, index + 1);
      }
    }
  };

  const visitLiteral = async (path: string, index: number): Promise<void> => {
    if (index < segments.length - 1) return visit(path, index + 1);
    const stat = await ifThere(() => source.stat(path));
    if (stat && (directories || stat.type === 'file')) found.set(path, stat);
  };

  async function* entriesOf(directory: string): AsyncGenerator<FileStat> {
    try {
      yield* source.readdir(directory);
    } catch (error) {
      if (!hasCode(error, 'ENOENT', 'ENOTDIR')) throw error;
    }
  }

  await visit('/', 0);
  return [...found.values()].sort((a, b) => compareBytewise(a.path, b.path));
}

/** A pattern's fixed part may lead nowhere: then nothing matches. */
async function ifThere<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}
