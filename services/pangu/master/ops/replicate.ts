import type { CopyOutcome } from '../../master-contract.ts';
import type { MasterContext } from '../context.ts';
import { copyReplica } from '../copy-replica.ts';

export function replicate(context: MasterContext, { chunk }: { chunk: string }): Promise<CopyOutcome> {
  return copyReplica(context, { chunk, seal: false });
}
