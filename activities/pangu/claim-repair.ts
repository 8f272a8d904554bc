import type { PanguServices } from './services.ts';

/** Keeps the control loop from copying for a while; 0 lets it again. */
export function createClaimRepair({ panguMaster }: PanguServices) {
  return async function claimRepair(request: { holder: string; forMs: number }): Promise<void> {
    await panguMaster.claimRepair(request);
  };
}
