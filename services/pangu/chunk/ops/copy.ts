import { setTimeout as delay } from 'node:timers/promises';
import type { z } from 'zod';
import { FeitianError, messageOf } from '../../../base/errors.ts';
import type { CallContext } from '../../../kuafu/contract.ts';
import { ChunkError, type chunkServerService, TRANSFER_BYTES_MAX } from '../../chunk-contract.ts';
import { dataOffset } from '../../core/chunk-format.ts';
import { Pace } from '../../core/pace.ts';
import type { ChunkFile } from '../chunk-file.ts';
import { type ChunkServerContext, checkNode } from '../context.ts';

type Request = z.output<(typeof chunkServerService.methods.copy)['request']>;
type Piece = { bytes: Buffer; crcs: number[] };

const READ_TIMEOUT_MS = 10_000;

/** Copies under way by server and chunk: who asks for one that runs waits for it. */
const running = new WeakMap<ChunkServerContext, Map<string, Promise<{ copiedBytes: number }>>>();

/**
 * Any two replicas of a chunk begin with the same bytes, as far as both go: one writer made them, and it never sends other bytes to the same place.
 * So what an interrupted copy left, and what an append left here, is a good beginning.
 */
export function copy(context: ChunkServerContext, request: Request, call: CallContext): Promise<{ copiedBytes: number }> {
  checkNode(context, request);
  const ofServer = running.get(context) ?? new Map<string, Promise<{ copiedBytes: number }>>();
  running.set(context, ofServer);
  let copying = ofServer.get(request.chunk);
  if (!copying) {
    copying = pull(context, request, call).finally(() => ofServer.delete(request.chunk));
    ofServer.set(request.chunk, copying);
  }
  return copying;
}

async function pull(context: ChunkServerContext, request: Request, call: CallContext): Promise<{ copiedBytes: number }> {
  const { node, store, draining } = context;
  const { chunk, capacityBytes, length } = request;
  if (draining.on) throw new ChunkError('Draining', `${node} is about to leave and takes no new chunks`);
  await store.disks.measure();
  const { chunkRoomBytes } = store.disks.space;
  const neededBytes = dataOffset(capacityBytes) + length;
  if (chunkRoomBytes < neededBytes)
    throw new ChunkError('NoSpace', `${node} has ${chunkRoomBytes} bytes free on one disk, ${neededBytes} are needed`);
  return store.useForCopy(chunk, capacityBytes, async (file) => {
    const there = Math.min(file.length, length);
    if (file.sealed && file.length < length)
      throw new ChunkError('BadRange', `chunk ${chunk} is sealed at ${file.length} here, ${length} bytes are wanted`, {
        details: { length: file.length },
      });
    if (there > 0) await file.verify(there);
    if (file.length < length) await append(context, file, request, call);
    if (!file.sealed) await file.seal(length, true);
    return { copiedBytes: length - there };
  });
}

/** One piece is fetched while the one before it is written. */
async function append(context: ChunkServerContext, file: ChunkFile, request: Request, call: CallContext): Promise<void> {
  const { length, bytesPerSecond } = request;
  const pace = bytesPerSecond === undefined ? undefined : new Pace(bytesPerSecond);
  let next = fetchPiece(context, request, file.length);
  for (let at = file.length; at < length; ) {
    const { bytes, crcs } = await next;
    const end = at + bytes.length;
    if (call.signal.aborted) throw new ChunkError('SourceFailed', 'nobody waits for this copy any more');
    if (end < length) {
      next = fetchPiece(context, request, end);
      next.catch(() => {}); // heard where it is awaited, unless the write before it fails
    }
    if (pace) await delay(pace.take(bytes.length, performance.now()));
    await file.append(at, bytes, crcs, end < length ? 'none' : 'seal', true);
    at = end;
  }
}

async function fetchPiece({ chunkServerAt }: ChunkServerContext, { chunk, length, from }: Request, offset: number): Promise<Piece> {
  const wanted = Math.min(TRANSFER_BYTES_MAX, length - offset);
  try {
    const request = { node: from.node, chunk, offset, length: wanted };
    const { body, attachment } = await chunkServerAt(from.address).read(request, { timeoutMs: READ_TIMEOUT_MS });
    if (attachment.length !== wanted)
      throw new ChunkError('BadRange', `${attachment.length} bytes came, ${wanted} are wanted`, { details: { length: attachment.length } });
    return { bytes: attachment, crcs: body.crcs };
  } catch (error) {
    const cause = error instanceof FeitianError ? error.code : 'Internal';
    throw new ChunkError('SourceFailed', `${from.node}: ${messageOf(error)}`, { cause: error, details: { node: from.node, cause } });
  }
}
