import { type ChunkServerContext, checkNode } from '../context.ts';

export async function list(context: ChunkServerContext, request: { node: string; after?: string; limit: number }) {
  checkNode(context, request);
  return context.store.list(request.after ?? '', request.limit);
}
