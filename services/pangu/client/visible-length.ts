import { hasCode } from '../../base/errors.ts';
import type { LocatedChunk } from '../master-contract.ts';
import type { ClientContext } from './context.ts';

/** A server that takes longer is as good as away: what the others have is seen. */
const STATE_TIMEOUT_MS = 2_000;

/** `changed`: the master knows more of the file by now than `chunk` says. */
export interface VisibleLength {
  length: number;
  changed: boolean;
}

/**
 * How much of a chunk that somebody writes to may be seen: what every replica that answers has, and so what will be there however its writer ends
 * (core/recovery.ts). A replica that has less than what a master was told is one that the writer has lost. Of a log it is what its primary has acknowledged; while
 * that one is away, what was known.
 */
export async function visibleLength({ chunkServerAt }: ClientContext, chunk: LocatedChunk): Promise<VisibleLength> {
  const { primary, ticket } = chunk;
  let changed = false;
  const asked = primary === undefined ? chunk.replicas : chunk.replicas.filter(({ node }) => node === primary);
  const lengths = await Promise.all(
    asked.map(async ({ node, address }) => {
      if (address === undefined) return [];
      try {
        const request = { node, chunk: chunk.chunk, ticket };
        const state = await chunkServerAt(address).chunkState(request, { timeoutMs: STATE_TIMEOUT_MS });
        if (state.sealed) changed = true;
        return state.acknowledgedLength >= chunk.length ? [state.acknowledgedLength] : [];
      } catch (error) {
        if (hasCode(error, 'NoTicket', 'WrongNode') || (hasCode(error, 'NoChunk') && chunk.length > 0)) changed = true;
        return [];
      }
    }),
  );
  const seen = lengths.flat();
  return { length: seen.length > 0 ? Math.min(...seen) : chunk.length, changed };
}
