import { type ChunkServerContext, checkNode } from '../context.ts';

export async function setDraining(context: ChunkServerContext, request: { node: string; draining: boolean }) {
  checkNode(context, request);
  const { draining, log } = context;
  if (draining.on !== request.draining) log.info({ draining: request.draining }, 'draining.set');
  await draining.set(request.draining);
  // Also when nothing changed: what was told last may not have arrived.
  await context.announce({ draining: request.draining });
  return {};
}
