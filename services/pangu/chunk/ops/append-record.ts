import type { z } from 'zod';
import type { CallContext } from '../../../kuafu/contract.ts';
import { ChunkError, type chunkServerService } from '../../chunk-contract.ts';
import { crc } from '../../crc.ts';
import { type ChunkServerContext, checkNode } from '../context.ts';

type Records = z.output<(typeof chunkServerService.methods.appendRecords)['request']>;
type Batch = z.output<(typeof chunkServerService.methods.appendBatch)['request']>;

export async function appendRecords(context: ChunkServerContext, request: Records, call: CallContext): Promise<{ offset: number }> {
  checkNode(context, request);
  const { chunk, capacityBytes, writer, sequence, others } = request;
  const checking = context.permission?.check(call.caller, 'write', chunk, request.ticket);
  if (checking) await checking;
  const bytes = call.attachment;
  if (bytes.length === 0 || crc(bytes) !== request.crc)
    throw new ChunkError('BadChecksum', `records for chunk ${chunk} were damaged on the way`, { details: { offset: 0 } });
  const primary = await context.logs.lead(chunk, capacityBytes, !context.draining.on, others);
  const offset = await primary.append(writer, sequence, bytes);
  context.store.traffic.writtenBytes += bytes.length;
  return { offset };
}

export async function appendBatch(context: ChunkServerContext, request: Batch, call: CallContext): Promise<Record<string, never>> {
  checkNode(context, request);
  const { chunk, capacityBytes, offset, calls, crcs } = request;
  const log = await context.logs.use(chunk, capacityBytes, !context.draining.on);
  await log.append(offset, call.attachment, calls, crcs);
  context.store.traffic.writtenBytes += call.attachment.length;
  return {};
}
