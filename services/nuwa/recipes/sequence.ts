import { hasCode } from '../../base/errors.ts';
import { ignore, type RecipeContext } from './context.ts';

/**
 * Numbers from the tree's own counting: each set of a node gives its value the next version, and no two sets the same. So a number is one
 * change, without conflicts, however many ask at once.
 *
 *   <path>   its version is the last number given; its value is empty
 *
 * No session owns a number. One whose reply was lost for good is skipped; so is one that was asked for again under a new session because the
 * old one had expired. Who deletes the node begins again at 1: nobody does.
 */
export async function nextNumber({ rpc, sessions }: RecipeContext, path: string): Promise<number> {
  const value = new Uint8Array();
  for (;;) {
    try {
      return (await sessions.write((id) => rpc.set({ ...id, path, value }))).version;
    } catch (error) {
      if (!hasCode(error, 'NoNode')) throw error;
    }
    await sessions.write((id) => rpc.create({ ...id, path, value, parents: true })).catch(ignore('NodeExists'));
  }
}
