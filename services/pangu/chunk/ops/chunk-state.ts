import type { CallContext } from '../../../kuafu/contract.ts';
import { type ChunkServerContext, checkNode } from '../context.ts';

export async function chunkState(
  context: ChunkServerContext,
  request: { node: string; chunk: string; ticket?: string },
  call: CallContext,
) {
  checkNode(context, request);
  const checking = context.permission?.check(call.caller, 'read', request.chunk, request.ticket);
  if (checking) await checking;
  // Of a chain each server knows what it has itself; whoever asks them all knows what all have.
  return context.store.use(request.chunk, async ({ length, sealed }) => ({ length, acknowledgedLength: length, sealed }));
}
