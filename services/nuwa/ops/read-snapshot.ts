import type { ServiceHandlers } from '../../kuafu/contract.ts';
import { NuwaError, type nuwaService } from '../contract.ts';
import type { NuwaContext } from './context.ts';

export function readSnapshot({ group }: NuwaContext): ServiceHandlers<typeof nuwaService>['readSnapshot'] {
  return async ({ index, offset, bytes }) => {
    const piece = await group.snapshots.read(index, offset, bytes);
    if (!piece) throw new NuwaError('Compacted', `the snapshot up to ${index} is gone`);
    return { body: { bytes: piece.length }, attachment: piece };
  };
}
