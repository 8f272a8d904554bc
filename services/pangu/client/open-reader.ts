import type { PanguFile, ReadOptions } from '../contract.ts';
import type { ClientContext } from './context.ts';
import { FileReader } from './file-reader.ts';
import { RandomReader } from './random-reader.ts';

/** A file that is read, of whatever kind. */
export interface OpenedReader extends PanguFile {
  /** As far as is known. */
  readonly length: number;
  look(): Promise<void>;
}

export async function openReader(context: ClientContext, path: string, options: ReadOptions = {}): Promise<OpenedReader> {
  const opened = await context.masters.open({ path, near: context.node });
  if (opened.stat.kind !== 'random') return FileReader.open(context, path, options, Promise.resolve(opened));
  return new RandomReader(context, opened.file, { path, ...opened.stat }, options);
}
