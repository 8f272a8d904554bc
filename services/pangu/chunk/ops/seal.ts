import { hasCode } from '../../../base/errors.ts';
import type { CallContext } from '../../../kuafu/contract.ts';
import { ChunkError } from '../../chunk-contract.ts';
import { type ChunkServerContext, checkNode } from '../context.ts';

interface Request {
  node: string;
  chunk: string;
  length?: number;
  durable: boolean;
  ticket?: string;
  forget?: boolean;
}

export async function seal(context: ChunkServerContext, request: Request, call: CallContext) {
  checkNode(context, request);
  const checking = context.permission?.check(call.caller, 'write', request.chunk, request.ticket);
  if (checking) await checking;
  const { node, store, logs, draining } = context;
  try {
    return await store.use(request.chunk, async (file) => {
      await file.seal(request.length, request.durable);
      const marks = await logs.marks(file);
      if (request.forget) await file.dropLog();
      void logs.release(request.chunk);
      return { length: file.length, ...(marks ? { marks } : {}) };
    });
  } catch (error) {
    // Worth more than that it is not here: it never will be.
    if (!draining.on || !hasCode(error, 'NoChunk')) throw error;
    throw new ChunkError('Draining', `${node} does not have chunk ${request.chunk} and takes no new ones`, { cause: error });
  }
}
