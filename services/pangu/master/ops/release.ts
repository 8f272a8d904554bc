import { PanguError } from '../../contract.ts';
import type { MasterContext } from '../context.ts';
import { recoverFile } from '../recover-file.ts';

/** Said twice, the second time finds the file closed, or somebody else's. */
export async function release(context: MasterContext, { file, epoch }: { file: string; epoch: number }) {
  const outcome = await recoverFile(context, file, { epoch });
  if (outcome === 'missing') throw new PanguError('EIO', 'the end of the file is on servers that are away', { details: { file } });
  return { state: 'closed' as const };
}
