import { type ChunkServerContext, checkNode } from '../context.ts';

export async function verify(context: ChunkServerContext, request: { node: string; chunk: string; length: number }) {
  checkNode(context, request);
  if (await context.random.has(request.chunk)) await context.random.verify(request.chunk);
  else await context.store.use(request.chunk, (file) => file.verify(request.length));
  return {};
}
