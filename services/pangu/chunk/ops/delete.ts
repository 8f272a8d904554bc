import { type ChunkServerContext, checkNode } from '../context.ts';

export async function deleteChunks(context: ChunkServerContext, request: { node: string; chunks: string[] }) {
  checkNode(context, request);
  for (const chunk of request.chunks) {
    await context.store.delete(chunk);
    await context.random.delete(chunk);
  }
  return {};
}
