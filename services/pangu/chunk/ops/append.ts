import type { z } from 'zod';
import { FeitianError, hasCode, messageOf } from '../../../base/errors.ts';
import { recycleAttachment } from '../../../kuafu/client.ts';
import type { CallContext } from '../../../kuafu/contract.ts';
import { ChunkError, type chunkServerService } from '../../chunk-contract.ts';
import type { ChunkFile } from '../chunk-file.ts';
import { type ChunkServerContext, checkNode } from '../context.ts';

type Request = z.output<(typeof chunkServerService.methods.append)['request']>;

/** Each link of the chain waits less long than the one before it, so that whoever is silent is named by its neighbour. */
const REMAINING_SHARE = 0.8;

export async function append(context: ChunkServerContext, request: Request, call: CallContext): Promise<{ length: number }> {
  checkNode(context, request);
  const checking = context.permission?.check(call.caller, 'write', request.chunk, request.ticket);
  if (checking) await checking;
  const { chunk, capacityBytes, offset, crcs, finish, durable } = request;
  // Asked before anything waits, so that nobody can find a chunk missing here that is then made.
  const make = !context.draining.on;
  const below = forward(context, request, call);
  const work = (file: ChunkFile): Promise<void> => file.append(offset, call.attachment, crcs, finish, durable, call);
  const here = make ? context.store.useOrCreate(chunk, capacityBytes, offset === 0, work) : useOnly(context, chunk, work);
  const [written, forwarded] = await Promise.allSettled([here, below]);
  if (written.status === 'rejected') throw written.reason;
  context.store.traffic.writtenBytes += call.attachment.length;
  if (forwarded.status === 'rejected') throw brokenChain(forwarded.reason, request.next[0]!.node);
  const length = offset + call.attachment.length;
  // Written here, and read to its end by the next in the chain: nobody looks at it again.
  recycleAttachment(call.attachment);
  return { length };
}

async function useOnly({ node, store }: ChunkServerContext, chunk: string, work: (file: ChunkFile) => Promise<void>): Promise<void> {
  return store.use(chunk, work).catch((error) => {
    if (!hasCode(error, 'NoChunk')) throw error;
    throw new ChunkError('Draining', `${node} is about to leave and takes no new chunks`, { cause: error });
  });
}

/**
 * Not cancelled when the caller gives up: what is late is refused once the chunk is sealed, and an abort signal would cost more than the rest
 * of a small append.
 */
async function forward(context: ChunkServerContext, request: Request, call: CallContext): Promise<void> {
  const [next, ...rest] = request.next;
  if (!next) return;
  const timeoutMs = call.remainingMs() * REMAINING_SHARE;
  await context.chunkServerAt(next.address).append({ ...request, node: next.node, next: rest }, { attachment: call.attachment, timeoutMs });
}

function brokenChain(error: unknown, node: string): ChunkError {
  if (error instanceof ChunkError && error.code === 'ChainBroken') return error;
  const code = error instanceof FeitianError ? error.code : 'Internal';
  return new ChunkError('ChainBroken', `${node}: ${messageOf(error)}`, { cause: error, details: { node, cause: code } });
}
