import type { CallContext } from '../../../kuafu/contract.ts';
import { type ChunkServerContext, checkNode } from '../context.ts';

interface Request {
  node: string;
  chunk: string;
  ticket?: string | undefined;
}

/** Where the file of a sealed chunk is, for whoever may read the chunk and runs on this machine: it opens the file itself. */
export async function localPath(context: ChunkServerContext, request: Request, call: CallContext) {
  checkNode(context, request);
  const checking = context.permission?.check(call.caller, 'read', request.chunk, request.ticket);
  if (checking) await checking;
  return { place: await context.store.placeOfSealed(request.chunk) };
}
