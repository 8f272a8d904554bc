import { sql } from 'drizzle-orm';
import { rows } from '../../../base/database.ts';
import { PanguError } from '../../contract.ts';
import { locateChunks } from '../chunks.ts';
import type { MasterContext } from '../context.ts';

export async function locate(context: MasterContext, { file, near }: { file: string; near?: string | undefined }) {
  const there = await rows(context.db, sql`select id from pangu.inodes where id = ${file}`);
  if (there.length === 0) throw new PanguError('ENOENT', 'the file was removed');
  return { chunks: await locateChunks(context, file, near) };
}
