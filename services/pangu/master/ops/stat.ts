import { sql } from 'drizzle-orm';
import { parsePath } from '../../core/path.ts';
import type { MasterContext } from '../context.ts';
import { atEnd, statOf, walkToEnds } from '../inodes.ts';

export async function stat({ db, together }: MasterContext, { path }: { path: string }) {
  const parsed = parsePath(path);
  const { names } = parsed;
  const found = together ? await together.stat.ask(names) : (await walkToEnds(db, [names], sql``))[0]!;
  return statOf(atEnd(found, parsed, path));
}
