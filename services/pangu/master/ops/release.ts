import { PanguError } from '../../contract.ts';
import type { MasterContext } from '../context.ts';
import { recoverRandomFile } from '../random-recovery.ts';
import { recoverFile } from '../recover-file.ts';

/** Said twice, the second time finds the file closed, or somebody else's. */
export async function release(context: MasterContext, { file, epoch }: { file: string; epoch: number }) {
  // The one that is not of its kind finds nothing to do.
  const [appended, random] = [await recoverFile(context, file, { epoch }), await recoverRandomFile(context, file, { epoch })];
  const outcome = appended === 'moved' ? random : appended;
  if (outcome === 'missing') throw new PanguError('EIO', 'the end of the file is on servers that are away', { details: { file } });
  return { state: 'closed' as const };
}
