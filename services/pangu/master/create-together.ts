import { sql } from 'drizzle-orm';
import type { z } from 'zod';
import type { Database } from '../../base/database.ts';
import type { ParsedPath } from '../core/path.ts';
import type { masterService } from '../master-contract.ts';
import { type PlacedChunk, placeChunk } from './chunks.ts';
import type { MasterContext } from './context.ts';
import { chunkBytesBelow, walk } from './inodes.ts';
import { type Created, createdOf, insertFiles, newFile } from './new-file.ts';

export interface CreateAsked {
  readonly request: z.output<(typeof masterService.methods.create)['request']>;
  readonly parsed: ParsedPath;
  readonly owner: string;
}

/**
 * Files whose directory is there and whose name is free (or, in mode `w`, a file's): one statement looks, one makes them all with their first chunks. Undefined for those that
 * are not made by it.
 */
export async function createTogether(context: MasterContext, db: Database, asked: CreateAsked[]): Promise<(Created | undefined)[]> {
  const walked = await walk(
    db,
    asked.map(({ parsed }) => parsed.names),
  );
  const planned = asked.map(({ request, parsed, owner }, i) => {
    const { names } = parsed;
    const inodes = walked[i]!;
    const parent = names.length > 0 ? inodes[names.length - 1] : undefined;
    const existing = inodes[names.length];
    if (parent?.type !== 'directory' || existing?.id === request.file) return undefined;
    if (existing && (request.mode === 'wx' || existing.type !== 'file')) return undefined;
    const chunkBytes = request.chunkBytes ?? chunkBytesBelow(inodes);
    const placed = placeOrNot(context, { ...request, chunkBytes });
    if (!placed) return undefined;
    return newFile(request, { parent: parent.id, name: names.at(-1)!, chunkBytes, owner }, placed);
  });
  const wanted = planned.filter((each) => each !== undefined);
  if (wanted.length === 0) return planned.map(() => undefined);
  const made = await insertFiles(db, wanted, sql`on conflict do nothing`);
  return planned.map((each) => (each && made.has(each.id) ? createdOf(context, each) : undefined));
}

/** Why there is no place is told where it is asked for alone. */
function placeOrNot(context: MasterContext, wish: Parameters<typeof placeChunk>[1]): PlacedChunk | undefined {
  try {
    return placeChunk(context, wish);
  } catch {
    return undefined;
  }
}
