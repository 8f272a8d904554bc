import { sql } from 'drizzle-orm';
import type { z } from 'zod';
import { type Database, rows } from '../../base/database.ts';
import type { ParsedPath } from '../core/path.ts';
import type { masterService } from '../master-contract.ts';
import { type PlacedChunk, placeChunk, toReplica } from './chunks.ts';
import type { MasterContext } from './context.ts';
import { chunkBytesBelow, walk } from './inodes.ts';

export interface CreateAsked {
  readonly request: z.output<(typeof masterService.methods.create)['request']>;
  readonly parsed: ParsedPath;
  readonly owner: string;
}
export type Created = z.output<(typeof masterService.methods.create)['response']>;

/**
 * Files whose directory is there and whose name is free (or, in mode `w`, a file's): one statement looks, one makes them all with their first chunks. Undefined for those that
 * are not made by it. In one order, so that two masters do not wait for each other.
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
    const { file, path, mode, replicas, minReplicas = 1, writer = null } = request;
    const place = mode === 'wx' ? { parent: parent.id, target: null } : { parent: null, target: path };
    return { id: file, ...place, name: names.at(-1)!, chunkBytes, replicas, minReplicas, owner, writer, ...placed };
  });
  const wanted = planned.filter((each) => each !== undefined);
  if (wanted.length === 0) return planned.map(() => undefined);
  const made = await rows<{ id: string }>(
    db,
    sql`
      with asked as materialized (
        select * from jsonb_to_recordset(${JSON.stringify(wanted)}::jsonb) as asked (
          id text, parent text, name text, "chunkBytes" int, replicas int, "minReplicas" int, target text, owner text, writer text, chunk text, nodes jsonb
        )
      ), file as (
        insert into pangu.inodes (id, parent, name, type, state, chunk_bytes, replicas, min_replicas, target, owner, writer, epoch)
        select id, parent, name, 'file', 'open', "chunkBytes", replicas, "minReplicas", target, owner, writer, 1 from asked order by parent, name collate "C"
        on conflict do nothing returning id
      ), chunk as (
        insert into pangu.chunks (id, file, index) select asked.chunk, file.id, 0 from file join asked on asked.id = file.id returning id
      ), replica as (
        insert into pangu.replicas (chunk, node)
        select chunk.id, node from chunk join asked on asked.chunk = chunk.id cross join jsonb_array_elements_text(asked.nodes) node
      )
      select id from file`,
  );
  const ids = new Set(made.map(({ id }) => id));
  return planned.map((each) => {
    if (!each || !ids.has(each.id)) return undefined;
    const { chunk, nodes, chunkBytes } = each;
    return { chunk, index: 0, replicas: nodes.map((node) => toReplica(context, node)), epoch: 1, chunkBytes };
  });
}

/** Why there is no place is told where it is asked for alone. */
function placeOrNot(context: MasterContext, wish: Parameters<typeof placeChunk>[1]): PlacedChunk | undefined {
  try {
    return placeChunk(context, wish);
  } catch {
    return undefined;
  }
}
