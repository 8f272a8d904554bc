import { type SQL, sql } from 'drizzle-orm';
import type { z } from 'zod';
import { type Database, rows } from '../../base/database.ts';
import type { masterService } from '../master-contract.ts';
import { type PlacedChunk, toReplica } from './chunks.ts';
import type { MasterContext } from './context.ts';

type Request = z.output<(typeof masterService.methods.create)['request']>;
export type Created = z.output<(typeof masterService.methods.create)['response']>;

/** The row of a file that is to be made, and its first chunk. */
export type NewFile = ReturnType<typeof newFile>;

/** Mode `wx`: at its place from now on. Mode `w`: hidden, and told where it will appear. */
export function newFile(request: Request, at: { parent: string; name: string; chunkBytes: number; owner: string }, placed: PlacedChunk) {
  const { file, path, mode, replicas, minReplicas = 1, writer = null } = request;
  const place = mode === 'wx' ? { parent: at.parent, target: null } : { parent: null, target: path };
  return { id: file, ...at, ...place, replicas, minReplicas, writer, ...placed };
}

/** Files, chunks and replicas in one statement, in one order, so that two masters do not wait for each other. @returns the ids of the files that were made. */
export async function insertFiles(db: Database, files: readonly NewFile[], onConflict: SQL): Promise<ReadonlySet<string>> {
  const made = await rows<{ id: string }>(
    db,
    sql`
      with asked as materialized (
        select * from jsonb_to_recordset(${JSON.stringify(files)}::jsonb) as asked (
          id text, parent text, name text, "chunkBytes" int, replicas int, "minReplicas" int, target text, owner text, writer text, chunk text, nodes jsonb
        )
      ), file as (
        insert into pangu.inodes (id, parent, name, type, state, chunk_bytes, replicas, min_replicas, target, owner, writer, epoch)
        select id, parent, name, 'file', 'open', "chunkBytes", replicas, "minReplicas", target, owner, writer, 1 from asked order by parent, name collate "C"
        ${onConflict} returning id
      ), chunk as (
        insert into pangu.chunks (id, file, index) select asked.chunk, file.id, 0 from file join asked on asked.id = file.id returning id
      ), replica as (
        insert into pangu.replicas (chunk, node)
        select chunk.id, node from chunk join asked on asked.chunk = chunk.id cross join jsonb_array_elements_text(asked.nodes) node
      )
      select id from file`,
  );
  return new Set(made.map(({ id }) => id));
}

/** What whoever asked for it is told. */
export function createdOf(context: MasterContext, { chunk, nodes, chunkBytes }: NewFile): Created {
  return { chunk, index: 0, replicas: nodes.map((node) => toReplica(context, node)), epoch: 1, chunkBytes };
}
