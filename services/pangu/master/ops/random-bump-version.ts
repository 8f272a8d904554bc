import { PanguError } from '../../contract.ts';
import type { RandomPlace } from '../../random-contract.ts';
import type { MasterContext } from '../context.ts';
import { findRandomChunk, keepReplicas, placeOf } from '../random-replicas.ts';

interface Request {
  file: string;
  epoch: number;
  chunk: string;
  version: number;
  survivors: string[];
}

export async function bumpVersion(context: MasterContext, { file, ...wish }: Request): Promise<RandomPlace> {
  const row = await findRandomChunk(context.db, wish.chunk);
  if (row?.file !== file) throw new PanguError('ENOENT', 'the chunk is not of this file, or was removed');
  return placeOf(context, await keepReplicas(context, wish));
}
