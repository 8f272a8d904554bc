import { sql } from 'drizzle-orm';
import { rows } from '../../../base/database.ts';
import { PanguError } from '../../contract.ts';
import type { Opened } from '../../write-contract.ts';
import type { MasterContext } from '../context.ts';
import { recoverFile } from '../recover-file.ts';
import { reopen } from '../reopen.ts';

export function openForWrite(context: MasterContext, request: { requestId: string; path: string; writer?: string }): Promise<Opened> {
  return reopen(context, request, {
    check: ({ kind }) => {
      if (kind !== 'append') throw new PanguError('EBADF', `${request.path} is a ${kind} file`);
    },
    recover: recoverFile,
    missing: 'the end of what its last writer wrote is on servers that are away',
    opened: async (tx, { id, kind, size, chunkBytes, replicas, minReplicas }, epoch) => {
      const [last] = await rows<{ nextIndex: number }>(
        tx,
        sql`select coalesce(max(index) + 1, 0)::int as "nextIndex" from pangu.chunks where file = ${id}`,
      );
      return { file: id, kind, epoch, size, chunkBytes, replicas, minReplicas, nextIndex: last!.nextIndex };
    },
  });
}
