import { PanguError } from '../../contract.ts';
import type { RandomOpened } from '../../random-contract.ts';
import type { MasterContext } from '../context.ts';
import { recoverRandomFile } from '../random-recovery.ts';
import { reopen } from '../reopen.ts';

export function randomOpen(context: MasterContext, request: { requestId: string; path: string; writer?: string }): Promise<RandomOpened> {
  return reopen(context, request, {
    check: ({ kind }) => {
      if (kind !== 'random')
        throw new PanguError('EBADF', `${request.path} is of kind ${kind}, and only random files are written anywhere`);
    },
    recover: recoverRandomFile,
    missing: 'a chunk has no replica on servers that are there',
    opened: async (_tx, { id, size, chunkBytes, minReplicas }, epoch) => ({ file: id, epoch, size, chunkBytes, minReplicas }),
  });
}
