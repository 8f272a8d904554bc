import { sql } from 'drizzle-orm';
import { PanguError } from '../../contract.ts';
import { parsePath } from '../../core/path.ts';
import { chunksOf, type FoundChunk, located } from '../chunks.ts';
import type { MasterContext } from '../context.ts';
import { atEnd, statOf, walkToEnds } from '../inodes.ts';

/** The path is followed, and the chunks of the file at its end are looked up, in one statement. */
export const CHUNKS = sql`, case when i.type = 'file' then ${chunksOf(sql`i.id`)} else '[]' end as chunks`;

export interface WithChunks {
  chunks: FoundChunk[];
}

export async function open(context: MasterContext, { path, near }: { path: string; near?: string | undefined }) {
  const parsed = parsePath(path);
  const { names } = parsed;
  const found = context.together ? await context.together.open.ask(names) : (await walkToEnds<WithChunks>(context.db, [names], CHUNKS))[0]!;
  const inode = atEnd(found, parsed, path);
  if (inode.type === 'directory') throw new PanguError('EISDIR', `${path} is a directory`);
  const visible = inode.size > 0 || (inode.kind === 'log' && inode.state === 'open');
  return { file: inode.id, stat: statOf(inode), chunks: visible ? located(context, inode.chunks, near) : [] };
}
