import type { CallContext } from '../../../kuafu/contract.ts';
import { type ChunkServerContext, checkNode } from '../context.ts';

interface Request {
  node: string;
  chunk: string;
  offset: number;
  length: number;
  ticket?: string;
}

export async function read(context: ChunkServerContext, request: Request, call: CallContext) {
  checkNode(context, request);
  const checking = context.permission?.check(call.caller, 'read', request.chunk, request.ticket);
  if (checking) await checking;
  const { bytes, crcs } = await context.store.use(request.chunk, (file) => file.read(request.offset, request.length));
  context.store.traffic.readBytes += bytes.length;
  return { body: { crcs }, attachment: bytes };
}
