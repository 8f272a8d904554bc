import { PanguError } from '../../contract.ts';
import type { RandomPlace } from '../../random-contract.ts';
import type { MasterContext } from '../context.ts';
import { beginRandomCopy, countRandomCopy } from '../random-copy.ts';
import { findRandomChunk, placeOf } from '../random-replicas.ts';

interface Request {
  file: string;
  epoch: number;
  chunk: string;
  version: number;
  target?: string;
}

export async function randomMend(
  context: MasterContext,
  { file, target, ...wish }: Request,
): Promise<{ target?: string; place?: RandomPlace }> {
  const row = await findRandomChunk(context.db, wish.chunk);
  if (row?.file !== file) throw new PanguError('ENOENT', 'the chunk is not of this file, or was removed');
  // One that is on a server about to leave goes when the new one counts.
  const from = row.nodes.length >= row.wanted ? row.nodes.find((node) => context.chunkServers.get(node)?.draining) : undefined;
  if (target === undefined) {
    const begun = await beginRandomCopy(context, row, { from });
    return begun.outcome === 'begun' ? { target: begun.node } : {};
  }
  const counted = await countRandomCopy(context, { ...row, version: wish.version }, target, { epoch: wish.epoch, from });
  return counted ? { place: placeOf(context, counted) } : {};
}
