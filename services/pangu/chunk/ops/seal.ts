import { type ChunkServerContext, checkNode } from '../context.ts';

export async function seal(context: ChunkServerContext, request: { node: string; chunk: string; length: number; durable: boolean }) {
  checkNode(context, request);
  await context.store.use(request.chunk, (file) => file.seal(request.length, request.durable));
  return {};
}
