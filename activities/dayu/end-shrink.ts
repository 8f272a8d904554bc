import type { NodeServices } from './node-services.ts';
import { giveShrinkLock, type Holder } from './shrink-lock.ts';

/** Lets other shrinks begin. Run again it changes nothing. */
export function createEndShrink(services: Pick<NodeServices, 'nuwa'>) {
  return async function endShrink({ holder }: { holder: Holder }): Promise<void> {
    await giveShrinkLock(services, holder);
  };
}
