import type { NodeServices } from './node-services.ts';

/** A node's chunk server takes nothing new from now on, or does again. While the server is away this fails, and is tried again. */
export function createSetDraining({ panguMaster }: Pick<NodeServices, 'panguMaster'>) {
  return async function setDraining(request: { node: string; draining: boolean }): Promise<void> {
    await panguMaster.setDraining(request);
  };
}
