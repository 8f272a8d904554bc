import { hasCode } from '../../base/errors.ts';
import type { LocatedChunk, Replica } from '../master-contract.ts';
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
 * (core/recovery.ts). A replica that has less than what a master was told is one that the writer has lost. Of a log its primary knows what is acknowledged, unless it
 * was restarted or is away: then it is as with other files.
 */
export async function visibleLength(context: ClientContext, chunk: LocatedChunk): Promise<VisibleLength> {
  const { replicas, primary } = chunk;
  if (primary !== undefined) {
    const [first] = await ask(
      context,
      chunk,
      replicas.filter(({ node }) => node === primary),
    );
    if (first !== 'changed' && first?.leads) return { length: Math.max(chunk.length, first.acknowledgedLength), changed: first.sealed };
  }
  const answers = await ask(context, chunk, replicas);
  const states = answers.filter((answer) => answer !== 'changed');
  const seen = states.map(({ acknowledgedLength }) => acknowledgedLength).filter((length) => length >= chunk.length);
  return {
    length: seen.length > 0 ? Math.min(...seen) : chunk.length,
    changed: states.length < answers.length || states.some(({ sealed }) => sealed),
  };
}

type State = { acknowledgedLength: number; sealed: boolean; leads?: boolean | undefined };

/** Of those that answer. `changed`: where the chunk is, or who may read it, is not what was known. */
async function ask({ chunkServerAt }: ClientContext, chunk: LocatedChunk, replicas: readonly Replica[]): Promise<(State | 'changed')[]> {
  const answers = await Promise.all(
    replicas.map(async ({ node, address }): Promise<(State | 'changed')[]> => {
      if (address === undefined) return [];
      try {
        const request = { node, chunk: chunk.chunk, ticket: chunk.ticket };
        return [await chunkServerAt(address).chunkState(request, { timeoutMs: STATE_TIMEOUT_MS })];
      } catch (error) {
        if (hasCode(error, 'NoTicket', 'WrongNode') || (hasCode(error, 'NoChunk') && (chunk.length > 0 || chunk.primary)))
          return ['changed'];
        return [];
      }
    }),
  );
  return answers.flat();
}
