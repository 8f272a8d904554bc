import { type ChunkServerContext, checkNode } from '../context.ts';

export async function list(context: ChunkServerContext, request: { node: string; after?: string; limit: number }) {
  checkNode(context, request);
  const { after = '', limit } = request;
  const plain = await context.store.list(after, limit);
  const random = (await context.random.list()).filter((chunk) => chunk > after);
  const chunks = [...plain.chunks, ...random].sort();
  return { chunks: chunks.slice(0, limit), more: plain.more || chunks.length > limit };
}
