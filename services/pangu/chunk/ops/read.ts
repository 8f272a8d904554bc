import { type ChunkServerContext, checkNode } from '../context.ts';

export async function read(context: ChunkServerContext, request: { node: string; chunk: string; offset: number; length: number }) {
  checkNode(context, request);
  const { bytes, crcs } = await context.store.use(request.chunk, (file) => file.read(request.offset, request.length));
  context.store.traffic.readBytes += bytes.length;
  return { body: { crcs }, attachment: bytes };
}
