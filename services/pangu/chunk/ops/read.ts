import { recycleAttachment, recycleWhenSent } from '../../../kuafu/client.ts';
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
  const { bytes, crcs, blocks } = await context.store.use(request.chunk, (file) => file.read(request.offset, request.length));
  context.store.traffic.readBytes += bytes.length;
  if (bytes.length > blocks.length / 2) {
    recycleWhenSent(bytes, blocks);
    return { body: { crcs }, attachment: bytes };
  }
  // A few bytes of a block would hold all of it until they are sent.
  const few = Buffer.from(bytes);
  recycleAttachment(blocks);
  return { body: { crcs }, attachment: few };
}
