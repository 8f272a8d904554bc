import { beating } from './beating.ts';
import type { NodeServices } from './node-services.ts';
import { missingOn, registeredOn } from './registrations.ts';

const LOOK_MS = 500;

/** Waits, for as long as it takes, until all services of a node are registered: until then nobody can use it. */
export function createAwaitNode({ nuwa, panguMaster }: Pick<NodeServices, 'nuwa' | 'panguMaster'>) {
  return async function awaitNode({ id }: { id: string }): Promise<void> {
    await beating(async ({ tell, check, sleep }) => {
      for (;;) {
        const missing = await missingOn(nuwa, id);
        // Masters hear of it a moment later.
        const known = missing.length === 0 && (await panguMaster.servers({})).servers.some(({ node, up }) => node === id && up);
        if (known) return;
        check();
        tell({ missing });
        await sleep(LOOK_MS);
      }
    });
  };
}

/** Waits until none is. */
export function createAwaitNodeGone({ nuwa }: Pick<NodeServices, 'nuwa'>) {
  return async function awaitNodeGone({ id }: { id: string }): Promise<void> {
    await beating(async ({ tell, check, sleep }) => {
      for (;;) {
        const there = await registeredOn(nuwa, id);
        if (there.length === 0) return;
        check();
        tell({ there });
        await sleep(LOOK_MS);
      }
    });
  };
}
